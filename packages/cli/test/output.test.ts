import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { foundFormat, inspectHead, packedWith } from '../src/image/found-format.ts'
import { createProgress } from '../src/output/progress.ts'
import { serve } from './fake-services.ts'
import { tank } from './service.ts'

const MiB = 1024 * 1024

/** A progress at a clock of our own, and what it wrote. */
function progress(isTTY: boolean, quiet = false) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 100 })
  let at = 0
  const shown = createProgress({ stream, title: 'disk', quiet, now: () => at })
  return {
    ...shown,
    at(ms: number) {
      at = ms
    },
    text: () => String(stream.read() ?? '')
  }
}

t.test('a bar with rate and remaining time on a terminal', async (t) => {
  const bar = progress(true)
  bar.update({ bytes: 0, total: 100 * MiB })
  t.match(bar.text(), '\rdisk [....................]   0%  0 B of 100 MiB  0 B/s  -:-- left')
  bar.at(50)
  bar.update({ bytes: 5 * MiB, total: 100 * MiB })
  t.equal(bar.text(), '', 'not too often')
  bar.at(2000)
  bar.update({ bytes: 50 * MiB, total: 100 * MiB })
  t.match(bar.text(), '[##########..........]  50%  50.0 MiB of 100 MiB  25.0 MiB/s  0:02 left')
  bar.at(4000)
  bar.update({ bytes: 60 * MiB, total: undefined })
  t.match(bar.text(), 'disk 60.0 MiB  15.0 MiB/s')
  bar.finish()
  t.equal(bar.text(), '\r\u001b[Kdisk: 60.0 MiB in 0:04 (15.0 MiB/s)\n')
})

t.test('the rate is that of the last seconds', async (t) => {
  const bar = progress(true)
  for (let second = 1; second <= 20; second++) {
    bar.at(second * 1000)
    bar.update({ bytes: second <= 10 ? second * MiB : 10 * MiB, total: 20 * MiB })
  }
  t.match(bar.text(), /0 B\/s {2}-:-- left.*$/)
})

t.test('what was here before the transfer is not moved by it', async (t) => {
  const bar = progress(true)
  bar.at(2000)
  bar.update({ bytes: 92 * MiB, total: 100 * MiB, resumed: 90 * MiB })
  t.match(bar.text(), ' 92%  92.0 MiB of 100 MiB  1.0 MiB/s  0:08 left')
  bar.finish()
  t.equal(bar.text(), '\r\u001b[Kdisk: 2.0 MiB in 0:02 (1.0 MiB/s)\n')
  const whole = progress(false)
  whole.finish()
  t.equal(whole.text(), '', 'everything was')
})

t.test('plain lines elsewhere, nothing when quiet or failed', async (t) => {
  const lines = progress(false)
  lines.at(1000)
  lines.update({ bytes: MiB, total: 2 * MiB })
  t.equal(lines.text(), '')
  lines.at(10_000)
  lines.update({ bytes: MiB, total: 2 * MiB })
  t.match(lines.text(), /^disk: 50% {2}1.0 MiB of 2.0 MiB {2}102 KiB\/s {2}0:10 left\n$/)
  lines.clear()
  t.equal(lines.text(), '')
  const quiet = progress(true, true)
  quiet.update({ bytes: 1, total: 2 })
  quiet.finish()
  t.equal(quiet.text(), '')
})

t.test('what bytes are declared as', async (t) => {
  const at = (offset: number, text: string) =>
    Buffer.concat([Buffer.alloc(offset), Buffer.from(text, 'latin1'), Buffer.alloc(1000)])
  const found = (bytes: Buffer, isWhole = false) => foundFormat(inspectHead(bytes, isWhole))
  const disk = (name: string) => ({ disk_format: name, container_format: 'bare' })
  t.same(found(at(0, 'QFI\xfb')), disk('qcow2'))
  t.same(found(at(0, 'KDMV')), disk('vmdk'))
  t.same(found(at(0, 'vhdxfile')), disk('vhdx'))
  t.same(found(at(0x40, '\x7f\x10\xda\xbe')), disk('vdi'))
  t.same(found(at(0x8001, 'CD001')), disk('iso'))
  t.same(found(at(0, 'WithoutFreeSpace')), disk('ploop'))
  t.same(found(at(0, 'LUKS\xba\xbe')), disk('raw'))
  t.equal(found(Buffer.alloc(100_000)), undefined, 'it may be a VHD, which its end says')
  t.same(found(Buffer.alloc(100_000), true), disk('raw'))
  const footer = Buffer.concat([Buffer.alloc(4096), Buffer.from('conectix'), Buffer.alloc(504)])
  t.same(found(footer, true), disk('vhd'))
  const ova = Buffer.alloc(2048)
  ova.write('a.ovf')
  ova.write('ustar\x0000', 257, 'latin1')
  t.same(found(ova), { disk_format: 'vmdk', container_format: 'ova' })
  t.match(packedWith(inspectHead(at(0, '\xfd7zXZ\0'), false)), { name: 'xz', tool: 'unxz' })
  t.equal(packedWith(inspectHead(Buffer.alloc(9), true)), undefined)
})

/** How a command lists the images of a service that has these. */
async function listOf(t: Test, images: readonly object[]) {
  const url = await serve(t, (_request, reply) =>
    reply
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ images: images.map((each) => ({ ...each, status: 'active' })) }))
  )
  return (...flags: string[]) => tank(['image', 'list', '--url', url, ...flags])
}

t.test('fields by their names, whose capitals count where there are any', async (t) => {
  const first = { id: '0', MyProp: 'mine' }
  const list = await listOf(t, [first, { id: '1', ID: 'other' }])
  const values = (columns: string) => list('-o', 'value', '-c', columns)
  t.match(await values('MyProp,Status'), { code: 0, out: 'mine\tactive\n\tactive\n' })
  t.match(await values('id,ID'), { code: 0, out: '0\t\n1\tother\n' })
  t.match(await values('myprop'), { code: 2, err: /no field "myprop"/ })
})

t.test('S-46 what a service says steers no terminal; JSON and YAML say the same', async (t) => {
  const record = {
    id: 'i',
    'a\u001b[2J': 'b\u009b2J\u202e',
    long: `${'some words '.repeat(20)}\n\u009b \ttab: "#"`,
    plain: 'two\nlines',
    status: 'active'
  }
  const list = await listOf(t, [record])
  const steers = (text: string) => ['\u001b', '\u009b', '\u202e'].some((one) => text.includes(one))
  const mistake = await list('-c', 'nope')
  t.match(mistake, { code: 2, err: /There are: id, a\ufffd\[2J, long, plain, status\.\n$/ })
  for (const form of ['json', 'yaml']) {
    const { out } = await list('-o', form)
    t.same(form === 'json' ? JSON.parse(out) : parse(out), [record], form)
    t.notOk(steers(out), form)
  }
  const { err } = await list('-c', 'x\u001b[2J')
  t.notOk(steers(err))
  t.equal((await list('-o', 'value', '-c', 'id,status')).out, 'i\tactive\n', 'columns stay')
})
