import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { qcow2 } from './samples/disks.ts'

const run = promisify(execFile)

t.test('the examples of the README run', async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => String(match[1]))
  t.equal(examples.length, 3)
  // They import the package by its name, which only works from inside of it.
  const parent = fileURLToPath(new URL('../recipes/', import.meta.url))
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(parent)
  t.teardown(() => rm(folder, { recursive: true }))
  const image = `${folder}/disk.qcow2`
  await writeFile(image, qcow2().bytes)
  const env = { ...process.env, IMAGE_FILE: image, NODE_OPTIONS: '' }
  for (const [index, example] of examples.entries()) {
    await writeFile(`${folder}/${index}.mjs`, example)
    const { stdout } = await run(process.execPath, [`${folder}/${index}.mjs`], { env })
    t.match(stdout, /qcow2/)
    t.match(stdout, /safe/)
  }
})
