import { spawnSync } from 'node:child_process'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  createInspector,
  type Inspector,
  inspectFile,
  inspectRanges,
  type Range,
  readNeeds
} from '../src/index.ts'
import { pax, type TarEntry, tar } from './samples/archives.ts'
import { qcow2 } from './samples/disks.ts'
import { inspect } from './samples/inspect.ts'

const BACKED = qcow2((it) => it.u64(8, 512)).bytes

const skip = process.platform === 'win32' ? 'Windows has no named pipes of this kind' : false

t.test('S-10 what a pipe holds is read', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tank-inspect-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  t.equal(spawnSync('mkfifo', [pipe]).status, 0)
  const write = async () => {
    const file = await open(pipe, 'w')
    await file.writeFile(BACKED)
    await file.close()
  }
  const [report] = await Promise.all([inspectFile(pipe), write()])
  t.match(report, { format: 'qcow2', verdict: 'unsafe', size: BACKED.length })
  t.match(report.findings, [{ code: 'QCOW2_BACKING_FILE' }])
})

t.test('an empty file is raw, and a folder is none', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tank-inspect-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'empty'), '')
  t.match(await inspectFile(join(folder, 'empty')), { format: 'raw', verdict: 'safe', size: 0 })
  await t.rejects(inspectFile(folder), { code: 'EISDIR' })
})

/** Something that asks for one range after another, without an end. */
function endless(length: number, step: number): Inspector {
  const image = createInspector()
  image.end(2 ** 30)
  let at = 0
  return {
    push: () => {},
    end: () => {},
    provide: () => {},
    isUnsafe: false,
    get needs() {
      at += step
      return [{ offset: at, length }]
    },
    report: () => image.report()
  }
}

t.test('S-12 what is read of an image is bounded', async (t) => {
  for (const [length, step, mostReads, mostBytes] of [
    [2 ** 20, 2 ** 20, 64, 64 * 2 ** 20],
    [8, 512, 100, 2 * 2 ** 20],
    [8, 2 ** 19, 2000, 64 * 2 ** 20]
  ] as const) {
    const read: Range[] = []
    await readNeeds(endless(length, step), async (range) => {
      if (read.push(range) > 5000) throw new Error('without an end')
      return new Uint8Array(range.length)
    })
    const bytes = read.reduce((sum, range) => sum + range.length, 0)
    t.ok(read.length <= mostReads, `${read.length} reads`)
    t.ok(bytes <= mostBytes, `${bytes} bytes`)
  }
})

t.test('an archive of small files is read in few blocks', async (t) => {
  const member = (index: number): TarEntry[] => [
    pax({ mtime: '1.5' }),
    { name: `${index}`, body: `hello ${index}` }
  ]
  const bytes = tar(Array.from({ length: 60 }, (_, index) => member(index)).flat())
  const read: Range[] = []
  const report = await inspectRanges(bytes.length, async ({ offset, length }) => {
    read.push({ offset, length })
    return bytes.subarray(offset, offset + length)
  })
  t.same(report, inspect(bytes))
  t.ok(read.length < 80, `${read.length} reads`)
  t.ok(read.every(({ offset, length }) => offset + length <= bytes.length))
})
