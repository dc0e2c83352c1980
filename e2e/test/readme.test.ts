import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { qcow2 } from '../src/disk-images.ts'
import { Images } from '../src/images.ts'
import { startTank, tempFolder } from '../src/tank.ts'

const run = promisify(execFile)
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')

/** The code blocks of a language below a heading of the README. */
function blocks(heading: string, language: string): string[] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const pattern = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g')
  return [...section.matchAll(pattern)].map((match) => match[1] ?? '')
}

async function giveDisk(path: string): Promise<void> {
  const { TANK_TEST_IMAGES } = process.env
  if (TANK_TEST_IMAGES === undefined)
    await writeFile(
      path,
      qcow2(() => {}, 3 << 20)
    )
  else await copyFile(join(TANK_TEST_IMAGES, 'good/disk.qcow2'), path)
}

t.test('the first minute of the README, typed as it stands', async (t) => {
  const folder = await tempFolder(t)
  const data = join(folder, 'tank-data')
  const tank = await startTank(t, {
    command: 'serve',
    args: ['--data-dir', data],
    folder,
    mark: data
  })
  await giveDisk(join(folder, 'disk.qcow2'))
  const [, typed = '', byHeaders = ''] = blocks('The first minute', 'sh')
  const type = (lines: string) =>
    run('bash', ['-ec', lines.replaceAll('http://127.0.0.1:9292', tank.url)], { cwd: folder })
  t.match((await type(typed)).stdout, /the same\n$/)
  t.match(JSON.parse((await type(byHeaders)).stdout), {
    image: { name: 'my second image', status: 'active', disk_format: 'qcow2' }
  })
  const id = /images\/([0-9a-f-]{36})\/file/.exec(typed)?.[1] ?? ''
  t.match(await new Images(tank.url).show(id), {
    status: 'active',
    os_hash_algo: 'sha256',
    stores: 'main',
    checksum: /^[0-9a-f]{32}$/
  })
  t.match(tank.log, `Tank serves images at ${tank.url}`)
})
