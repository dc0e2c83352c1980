import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createInspector, type Report } from '../src/index.ts'
import { CHUNKS, codesOf, inspect } from './samples/inspect.ts'

const folder = process.env.TANK_TEST_IMAGES
const missing = 'TANK_TEST_IMAGES is not set (e2e/servers/images.sh start)'
const MOST_BYTES = 64 * 2 ** 20
/** Where small chunks may make a difference: at the beginning and at the end. */
const BEGIN = 512 * 1024
const END = 16 * 1024

t.setTimeout(300_000)

/** Small chunks at both ends, and larger ones between them. */
function inspectBy(bytes: Uint8Array, chunk: number): Report {
  const inspector = createInspector()
  const push = (from: number, to: number, size: number) => {
    for (let at = from; at < to; at += size)
      inspector.push(bytes.subarray(at, Math.min(to, at + size)))
  }
  const begin = Math.min(bytes.length, BEGIN)
  const end = Math.max(begin, bytes.length - END)
  push(0, begin, chunk)
  push(begin, end, 65536 + chunk)
  push(end, bytes.length, chunk)
  inspector.end()
  return inspector.report()
}

if (folder !== undefined) {
  for (const kind of ['good', 'hostile']) {
    t.test(`${kind} images are the same in chunks of any size`, async (t) => {
      for (const name of await readdir(join(folder, kind))) {
        const path = join(folder, kind, name)
        if ((await stat(path)).size > MOST_BYTES) continue
        const bytes = await readFile(path)
        const whole = inspect(bytes)
        for (const chunk of CHUNKS) t.same(inspectBy(bytes, chunk), whole, `${name} by ${chunk}`)
        t.notOk(codesOf(whole).includes('INSPECTOR_FAILED'))
      }
    })
  }
} else if (process.env.TANK_TEST_REQUIRE === 'all') t.fail(`needed here: ${missing}`)
else t.test('the corpus', { skip: missing }, async () => {})
