import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { conforms } from './conforms.ts'

const { TANK_TEST_HTTP_URL: url, TANK_TEST_HTTP_ROOT: root } = process.env
const missing = 'TANK_TEST_HTTP_URL and TANK_TEST_HTTP_ROOT are not set (e2e/servers/http.sh)'

if (url !== undefined && root !== undefined) {
  t.test('nginx', async (t) => {
    const files: string[] = []
    t.teardown(() => Promise.all(files.map((file) => rm(file, { force: true }))))
    await conforms(t, Number(new URL(url).port || 80), async (path, bytes) => {
      const file = join(root, path)
      files.push(file)
      await writeFile(file, bytes)
    })
  })
} else if (process.env.TANK_TEST_REQUIRE === 'all') t.fail(`needed here: ${missing}`)
else t.test('nginx', { skip: missing }, async () => {})
