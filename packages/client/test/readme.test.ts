import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { imageService, serveIdentity } from './fake-identity.ts'
import { serveImages } from './fake-images.ts'

const run = promisify(execFile)
const BLOCK = /```js\n([\s\S]*?)```/g

t.test('the recipes of the README run', async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const recipes = [...readme.matchAll(BLOCK)].map((match) => String(match[1]))
  t.ok(recipes.length > 14)
  // They import the package by its name, which only works from inside of it.
  const parent = fileURLToPath(new URL('../recipes/', import.meta.url))
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(parent)
  t.teardown(() => rm(folder, { recursive: true }))
  const server = await serveImages(t)
  const identity = await serveIdentity(t)
  identity.catalog = [imageService([server.url, 'here', 'public'])]
  await writeFile(`${folder}/disk.qcow2`, 'QFI')
  await writeFile(`${folder}/disk.raw.gz`, gzipSync('unpacked'))
  await writeFile(`${folder}/token`, 'of a file')
  const env = {
    PATH: process.env.PATH,
    TANK_URL: server.url,
    TOKEN_FILE: `${folder}/token`,
    OS_AUTH_URL: identity.url,
    OS_USERNAME: 'ann',
    OS_PASSWORD: 'secret',
    OIDC_ISSUER: `${server.url}/oidc`,
    OIDC_CLIENT_ID: 'a program',
    OIDC_CLIENT_SECRET: 'secret'
  }
  let said = ''
  for (const [index, recipe] of recipes.entries()) {
    await writeFile(`${folder}/${index}.mjs`, recipe)
    const [title = ''] = readme.slice(0, readme.indexOf(recipe)).split('\n').slice(-3)
    const running = run(process.execPath, [`${folder}/${index}.mjs`], { cwd: folder, env })
    await t.resolves(running, title)
    said += (await running).stdout
  }
  t.equal(await readFile(`${folder}/hello.raw`, 'utf8'), 'hello, image')
  t.equal(await readFile(`${folder}/my-disk.qcow2`, 'utf8'), 'QFI')
  for (const line of [
    '12 bytes, proved by sha512',
    '3 bytes, 0 of them from before, proved by sha512',
    'their-project accepted',
    'fetched has 7 bytes',
    'it is in copies',
    'there is no such image',
    'classic: 9 of 9 bytes'
  ]) {
    t.match(said, `${line}\n`)
  }
  const tokens = new Set(server.requests.map(({ headers }) => headers['x-auth-token']))
  t.same([...tokens].sort(), ['of a file', 'of oidc', 'token-1', undefined])
})
