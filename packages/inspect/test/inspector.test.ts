import t from 'tap'
import { createInspector, type InspectorOptions, type Report } from '../src/index.ts'
import { qcow2 } from './samples.ts'

function inspect(bytes: Uint8Array, chunk = bytes.length, options: InspectorOptions = {}): Report {
  const inspector = createInspector(options)
  for (let at = 0; at < bytes.length; at += chunk) inspector.push(bytes.subarray(at, at + chunk))
  inspector.end()
  return inspector.report()
}

const codes = (report: Report): string[] => report.findings.map(({ code }) => code)

t.test('a sound qcow2 image is safe', async (t) => {
  t.match(inspect(qcow2()), {
    format: 'qcow2',
    virtualSize: 1048576,
    verdict: 'safe',
    findings: []
  })
})

t.test('S-10 what names another file is unsafe at the earliest byte', async (t) => {
  const image = qcow2((view) => view.setBigUint64(8, 512n))
  const inspector = createInspector()
  inspector.push(image.subarray(0, 19))
  t.notOk(inspector.isUnsafe)
  inspector.push(image.subarray(19, 20))
  t.ok(inspector.isUnsafe)
  t.match(inspector.report(), { verdict: 'unsafe', findings: [{ code: 'QCOW2_BACKING_FILE' }] })
  const dataFile = qcow2((view) => view.setUint32(104, 0x44415441))
  t.same(codes(inspect(dataFile)), ['QCOW2_DATA_FILE'], 'even without its feature bit')
})

t.test('a disk larger than allowed is unsafe', async (t) => {
  const image = qcow2()
  t.same(codes(inspect(image, image.length, { maxVirtualSize: 1048575 })), ['VIRTUAL_SIZE_CAP'])
})

t.test('a header cut anywhere is never safe', async (t) => {
  for (const size of [
    4, 8, 16, 20, 24, 32, 36, 40, 48, 56, 60, 64, 72, 80, 88, 96, 100, 104, 512
  ]) {
    t.equal(inspect(qcow2().subarray(0, size)).verdict, 'unsafe', `${size} bytes`)
  }
})

t.test('the result does not depend on the chunks', async (t) => {
  const image = qcow2((view) => view.setBigUint64(8, 512n))
  const whole = inspect(image)
  for (const chunk of [1, 7, 511, 512, 4096, 65536]) t.same(inspect(image, chunk), whole)
})

t.test('two formats in one file are a polyglot', async (t) => {
  const image = qcow2()
  image.set(Buffer.from('\x01CD001\x01', 'latin1'), 32768)
  t.ok(codes(inspect(image)).includes('POLYGLOT'))
})

t.test('a format that was not expected is a mismatch', async (t) => {
  const image = qcow2()
  t.same(codes(inspect(image, image.length, { expected: 'raw' })), ['FORMAT_MISMATCH'])
  t.same(codes(inspect(image, image.length, { expected: 'vmdk' })), ['FORMAT_MISMATCH'])
  t.same(codes(inspect(image, image.length, { expected: 'qcow2' })), [])
})
