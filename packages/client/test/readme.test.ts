import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { serveImages } from './fake-images.ts'

const run = promisify(execFile)
const BLOCK = /```js\n([\s\S]*?)```/g

t.test('the recipes of the README run', async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const recipes = [...readme.matchAll(BLOCK)].map((match) => String(match[1]))
  t.ok(recipes.length > 4)
  // They import the package by its name, which only works from inside of it.
  const parent = fileURLToPath(new URL('../recipes/', import.meta.url))
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(parent)
  t.teardown(() => rm(folder, { recursive: true }))
  const server = await serveImages(t)
  const image = `${folder}/disk.qcow2`
  await writeFile(image, 'QFI')
  const env = { ...process.env, TANK_URL: server.url, IMAGE_FILE: image, NODE_OPTIONS: '' }
  for (const [index, recipe] of recipes.entries()) {
    await writeFile(`${folder}/${index}.mjs`, recipe)
    await t.resolves(run(process.execPath, [`${folder}/${index}.mjs`], { cwd: folder, env }))
  }
  t.equal(await readFile(`${folder}/hello.raw`, 'utf8'), 'hello, image')
})
