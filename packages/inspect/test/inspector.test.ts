import t from 'tap'
import { createInspector, type Verdict } from '../src/index.ts'
import { qcow2 } from './samples/disks.ts'
import { type Sample, samples } from './samples/index.ts'
import { CHUNKS, codesOf, inspect } from './samples/inspect.ts'

t.test('a sound image is safe, and is what it is', async (t) => {
  for (const { name, format, bytes, virtualSize } of samples()) {
    const report = inspect(bytes)
    t.match(report, { format, verdict: 'safe', size: bytes.length }, name)
    t.equal(report.virtualSize, virtualSize, `${name}: its disk`)
    t.notOk(report.findings.some(({ severity }) => severity === 'reject'))
  }
})

t.test('the result does not depend on the chunks', async (t) => {
  for (const { name, bytes } of samples()) {
    const whole = inspect(bytes)
    for (const chunk of CHUNKS) t.same(inspect(bytes, chunk), whole, `${name} by ${chunk}`)
  }
})

/** What is left of these is still what it says: there is no other place that would tell. */
const CUTTABLE = ['mbr', 'ext']
const WITH_TAIL = ['vmdk stream', 'vhd fixed', 'vhd dynamic', 'vhdx', 'iso', 'ova', 'tar']

function verdictOfCut(sample: Sample, size: number): Verdict {
  // without its magic it is just raw bytes, so this is for those who know what it should be
  const expected = sample.format === 'raw' ? undefined : sample.format
  return inspect(sample.bytes.subarray(0, size), 4096, { expected }).verdict
}

t.test('an image cut at any of its fields is never safe', async (t) => {
  for (const sample of samples().filter(({ name }) => !CUTTABLE.includes(name))) {
    const { bytes, edges, format } = sample
    const least = format === 'raw' ? 512 : 0
    const cuts = edges.filter((at) => at < bytes.length && at >= least)
    t.ok(cuts.length > 5)
    t.same(
      cuts.filter((cut) => verdictOfCut(sample, cut) === 'safe'),
      [],
      sample.name
    )
  }
})

t.test('a format that ends in something is never safe without it', async (t) => {
  const tailed = samples().filter(({ name }) => WITH_TAIL.includes(name) || name.startsWith('gpt'))
  t.equal(tailed.length, WITH_TAIL.length + 2)
  for (const sample of tailed) {
    const { length } = sample.bytes
    // one of an archive's two empty blocks says enough
    const least = ['ova', 'tar'].includes(sample.name) ? 513 : 1
    for (const missing of [1, 2, 511, 512].map((size) => size + least - 1).concat(length >> 1))
      t.not(verdictOfCut(sample, length - missing), 'safe', `${sample.name} without ${missing}`)
  }
})

t.test('S-10 what names another file is unsafe at the earliest byte', async (t) => {
  const image = qcow2((layout) => layout.u64(8, 512)).bytes
  const inspector = createInspector()
  inspector.push(image.subarray(0, 19))
  t.notOk(inspector.isUnsafe)
  inspector.push(image.subarray(19, 20))
  t.ok(inspector.isUnsafe)
  t.match(inspector.report(), { verdict: 'unsafe', findings: [{ code: 'QCOW2_BACKING_FILE' }] })
})

t.test('a disk larger than allowed is unsafe', async (t) => {
  const image = qcow2().bytes
  t.same(codesOf(inspect(image, 4096, { maxVirtualSize: 1048575 })), ['VIRTUAL_SIZE_CAP'])
})

t.test('a format that was not expected is a mismatch', async (t) => {
  const image = qcow2().bytes
  t.same(codesOf(inspect(image, 4096, { expected: 'raw' })), ['FORMAT_MISMATCH'])
  t.same(codesOf(inspect(image, 4096, { expected: 'vmdk' })), ['FORMAT_MISMATCH'])
  t.same(codesOf(inspect(image, 4096, { expected: 'qcow2' })), [])
})

t.test('findings weigh what the caller says', async (t) => {
  const image = qcow2((layout) => layout.u64(8, 512)).bytes
  const warned = inspect(image, 4096, { severities: { QCOW2_BACKING_FILE: 'warn' } })
  t.match(warned, { verdict: 'safe', findings: [{ severity: 'warn' }] })
  t.same(inspect(image, 4096, { severities: { QCOW2_BACKING_FILE: 'ignore' } }).findings, [])
})
