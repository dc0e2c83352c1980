import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FaultyLink, storeConformance } from '@tank/store/conformance'
import t, { type Test } from 'tap'
import { openHttpStore } from '../src/index.ts'
import { imagesOf, type Manners, openOrigin } from './origin.ts'

const kinds: Readonly<Record<string, Manners>> = {
  'an origin as it should be': {},
  'an origin without ranges and without HEAD': { ranges: false, head: false },
  'an origin that does not say sizes': { ranges: false, sized: false }
}

for (const [name, manners] of Object.entries(kinds)) {
  t.test(name, async (t) => {
    const images = new Map<string, Buffer>()
    const { port } = await openOrigin(t, imagesOf(images, manners))
    await conforms(t, port, async (path, bytes) => void images.set(`/${path}`, bytes), manners)
  })
}

const noSize = 'n/a: where the end is unknown, only the body can say so (origins.test.ts)'
const url = process.env.TANK_TEST_HTTP_URL
const root = process.env.TANK_TEST_HTTP_ROOT
const isRequired = process.env.TANK_TEST_REQUIRE === 'all'
const missing = 'TANK_TEST_HTTP_URL and TANK_TEST_HTTP_ROOT are not set (e2e/servers/http.sh)'

if (url !== undefined && root !== undefined) {
  t.test('nginx', async (t) => {
    const files: string[] = []
    t.teardown(() => Promise.all(files.map((file) => rm(file, { force: true }))))
    await conforms(t, Number(new URL(url).port), async (path, bytes) => {
      const file = join(root, path)
      files.push(file)
      await writeFile(file, bytes)
    })
  })
} else if (isRequired) t.fail(`nginx: ${missing}`)
else t.test('nginx', { skip: missing }, async () => {})

async function conforms(
  t: Test,
  port: number,
  write: (path: string, bytes: Buffer) => Promise<void>,
  { sized: isSized = true, ranges: isUsual = true }: Manners = {}
): Promise<void> {
  const link = await FaultyLink.open(port)
  t.teardown(() => link.close())
  const at = (path: string) => `http://127.0.0.1:${link.port}/${path}`
  const elsewhere = 'takes seconds, and is shown with an origin as it should be'
  const readOnly = 'nothing is written to an origin'
  await storeConformance({
    test: (name, options, run) =>
      t.test(name, isSized || !name.includes('BAD_RANGE') ? options : { skip: noSize }, run),
    open: () =>
      openHttpStore({
        allowHttp: true,
        ports: [link.port],
        allow: ['127.0.0.1'],
        // Failures take as long as this.
        openSeconds: 2
      }),
    async seed(bytes) {
      const path = `${randomUUID()}.img`
      await write(path, bytes)
      return at(path)
    },
    missing: () => at('missing.img'),
    faults: {
      refuse: isUsual ? link.fault({ kind: 'refuse' }) : elsewhere,
      hang: link.fault({ kind: 'hang' }),
      cut: link.fault({ kind: 'cut', bytes: 1_000_000 }),
      slow: isUsual ? link.fault({ kind: 'slow', bytesPerSecond: 1024 * 1024 }) : elsewhere,
      full: readOnly,
      reset: readOnly
    }
  })
}
