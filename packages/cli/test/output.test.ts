import { PassThrough } from 'node:stream'
import t from 'tap'
import { guessFormat, packedWith } from '../src/image/guess-format.ts'
import { createProgress } from '../src/output/progress.ts'

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

t.test('what a file most likely is', async (t) => {
  const at = (offset: number, text: string) =>
    Buffer.concat([Buffer.alloc(offset), Buffer.from(text, 'latin1')])
  const sure = (disk: string, container = 'bare') => ({ disk, container, isSure: true })
  t.same(guessFormat('x', at(0, 'QFI\xfb')), sure('qcow2'))
  t.same(guessFormat('x.raw', at(0, 'KDMV')), sure('vmdk'), 'bytes count more than names')
  t.same(guessFormat('x', at(0, 'vhdxfile')), sure('vhdx'))
  t.same(guessFormat('x', at(0x40, '\x7f\x10\xda\xbe')), sure('vdi'))
  t.same(guessFormat('x', at(0x8001, 'CD001')), sure('iso'))
  t.same(guessFormat('x', Buffer.alloc(0), at(0, 'conectix')), sure('vhd'))
  t.same(guessFormat('x.OVA', at(257, 'ustar')), sure('vmdk', 'ova'))
  t.same(guessFormat('x.img', Buffer.alloc(9)), sure('raw'))
  t.same(guessFormat('x', Buffer.alloc(9)), { disk: 'raw', container: 'bare', isSure: false })
  t.match(packedWith(at(0, '\xfd7zXZ')), { name: 'xz', tool: 'unxz' })
  t.equal(packedWith(Buffer.alloc(9)), undefined)
})
