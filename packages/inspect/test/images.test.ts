import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { inspectFile, inspectStream } from '../src/index.ts'

const folder = process.env.TANK_TEST_IMAGES
const missing = 'TANK_TEST_IMAGES is not set (e2e/servers/images.sh start)'
const STREAMED = 2 ** 30

/** Good images that keep their data elsewhere. */
const EXTERNAL = ['disk-flat2.vmdk']
/** Hostile images that are dangerous by their size or their content, and not by their headers. */
const HARMLESS_HEADERS = [
  'bomb-1gib.gz',
  'bomb-256mib.zip',
  'bomb-nested.gz.gz',
  'empty.raw',
  'html.raw',
  'one-byte.raw',
  'script.raw',
  'size-zero.qcow2',
  'sparse-1tib.qcow2',
  'sparse-1tib.raw',
  'traversal.zip',
  'truncated.qcow2'
]

async function check(
  t: Test,
  kind: string,
  root: string,
  safe: (name: string) => boolean
): Promise<void> {
  for (const name of await readdir(join(root, kind))) {
    const path = join(root, kind, name)
    const report = await inspectFile(path)
    t.equal(report.verdict, safe(name) ? 'safe' : 'unsafe', name)
    t.notOk(report.findings.some(({ code }) => code === 'INSPECTOR_FAILED'))
    if ((await stat(path)).size < STREAMED)
      t.same(await inspectStream(createReadStream(path)), report, `${name} as a stream`)
  }
}

if (folder !== undefined) {
  t.test('good images are safe', (t) =>
    check(t, 'good', folder, (name) => !EXTERNAL.includes(name))
  )
  t.test('S-10 S-31 S-32 hostile images are unsafe', (t) =>
    check(t, 'hostile', folder, (name) => HARMLESS_HEADERS.includes(name))
  )
} else if (process.env.TANK_TEST_REQUIRE === 'all') t.fail(`needed here: ${missing}`)
else t.test('images', { skip: missing }, async () => {})
