import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { command } from '../src/command.ts'
import { FakeStore } from '../src/fake-store.ts'
import { installClient, plainEnvironment, undeclaredImports } from '../src/packed.ts'
import { identityHeaders, openStack, P1 } from '../src/stack.ts'
import { tempFolder } from '../src/tank.ts'

t.setTimeout(300_000)

const node = `node-${process.platform}-${process.arch}`
/** The oldest Node that the package allows, and the newer lines. */
const NODES = { 'node-20': '20.19.0', 'node-22': '22', 'node-24': '24' }
const COMPILERS = { 'typescript-5': '~5.9.3', 'typescript-7': '7.0.2' }
const alias = (name: string, versions: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(versions).map(([as, version]) => [as, `npm:${name}@${version}`])
  )

const consumer = fileURLToPath(
  new URL('../../../packages/client/test/types/consumer.ts', import.meta.url)
)

const OPTIONS = {
  target: 'es2023',
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true
}

/** A program as somebody would write it, told by its environment where the service is. */
const USE = `
async function use({ createTankClient, TankClient, isTankClientError }) {
  const { TANK_URL: url, TANK_HEADERS: headers } = process.env
  const tank = createTankClient({ url, headers: JSON.parse(headers) })
  if (!(tank instanceof TankClient)) throw new Error('no TankClient')
  const image = await tank.create({ name: 'n', disk_format: 'raw', container_format: 'bare' })
  const bytes = Buffer.alloc(3_000_000, 'tank')
  await tank.upload(image.id, new Blob([bytes]).stream(), { verify: true })
  const to = image.id + '.raw'
  const { verifiedWith } = await tank.download(image.id, to, { parallel: 2, partSize: 1_000_000 })
  let read = 0
  for await (const chunk of tank.read(image.id)) read += chunk.length
  await tank.delete(image.id)
  const gone = await tank.show(image.id).catch((error) => error)
  await tank.close()
  console.log(process.version, verifiedWith, read, isTankClientError(gone) && gone.status)
}
`
const LOADED = `
import { createRequire } from 'node:module'
import '@tank/client'
const { cache } = createRequire(import.meta.url)
console.log(Object.keys(cache).filter((path) => path.includes('undici')).length)
`
const BUNDLE = `
import { rollup } from 'rollup'
import { nodeResolve } from '@rollup/plugin-node-resolve'
const made = await rollup({ input: 'errors.js', plugins: [nodeResolve()], external: ['undici', /^node:/] })
const { output } = await made.generate({ format: 'es' })
console.log(output.map(({ code }) => code).join(''))
`

t.test('the client, as it is published, in a project of its own', async (t) => {
  const project = await installClient(await tempFolder(t))
  t.same(project.installed, ['@tank/client', '@tank/model', 'undici'], 'it brings no server along')
  for (const name of ['client', 'model']) {
    const folder = join(project.folder, 'node_modules/@tank', name)
    t.same(await undeclaredImports(folder), [], `${name} declares all that it imports`)
  }
  await project.add({
    ...alias(node, NODES),
    ...alias('typescript', COMPILERS),
    '@types/node': '^20.19.0',
    rollup: '^4.0.0',
    '@rollup/plugin-node-resolve': '^16.0.0'
  })
  const write = (name: string, text: string) => writeFile(join(project.folder, name), text)
  const modules = join(project.folder, 'node_modules')
  const run = async (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: project.folder, env: { ...plainEnvironment(), ...env } }
    return command(file, args, { ...options, timeoutMs: 120_000 })
  }

  await t.test('its types hold under strict compilers, libraries included', async (t) => {
    await copyFile(consumer, join(project.folder, 'consumer.ts'))
    await write(
      'import.ts',
      "import { TankClient } from '@tank/client'\nnew TankClient({ url: 'http://x' })\n"
    )
    await write(
      'small.ts',
      "import { createTankClient } from '@tank/client/tank-client'\ncreateTankClient({ url: 'http://x' })\n"
    )
    await write(
      'require.cts',
      "import client = require('@tank/client')\nclient.createTankClient({ url: 'http://x' })\n"
    )
    const files = ['consumer.ts', 'import.ts', 'small.ts', 'require.cts']
    await write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS, files }))
    for (const compiler of Object.keys(COMPILERS)) {
      const { code, stdout, stderr } = await run(process.execPath, [
        join(modules, compiler, 'bin/tsc'),
        '-p',
        '.'
      ])
      t.equal(code, 0, `${compiler}: ${stdout}${stderr}`)
    }
    await write(
      'wrong.ts',
      "import { TankClient } from '@tank/client'\nnew TankClient({ uri: 'http://x' })\n"
    )
    await write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS, files: ['wrong.ts'] }))
    for (const compiler of Object.keys(COMPILERS)) {
      const { code, stdout } = await run(process.execPath, [
        join(modules, compiler, 'bin/tsc'),
        '-p',
        '.'
      ])
      t.not(code, 0)
      t.match(stdout, /wrong\.ts.*uri/, `${compiler} looks at them`)
    }
  })

  await t.test('it runs on every Node that it allows, imported and required', async (t) => {
    const store = new FakeStore()
    const stack = await openStack({
      api: { stores: { main: { use: 'main' } } },
      plugins: { main: store.plugin() }
    })
    t.teardown(() => stack.close())
    await write('use.mjs', `import * as client from '@tank/client'\n${USE}\nawait use(client)\n`)
    await write('use.cjs', `${USE}\nuse(require('@tank/client'))\n`)
    const env = { TANK_URL: stack.url, TANK_HEADERS: JSON.stringify(identityHeaders(P1)) }
    for (const [name, version] of Object.entries(NODES)) {
      for (const file of ['use.mjs', 'use.cjs']) {
        const outcome = await run(join(modules, name, 'bin/node'), [file], env)
        t.match(outcome, { code: 0, stdout: /^v\d+\S+ sha\d+ 3000000 404\n$/ }, `${name} ${file}`)
        t.ok(outcome.stdout.startsWith(`v${version}`), outcome.stdout)
      }
    }
  })

  await t.test('who needs little of it loads and ships little', async (t) => {
    await write('loaded.mjs', LOADED)
    t.equal((await run(process.execPath, ['loaded.mjs'])).stdout, '0\n', 'undici waits for a call')
    await write('errors.js', "export { isTankClientError } from '@tank/client'\n")
    await write('bundle.mjs', BUNDLE)
    const { code, stdout, stderr } = await run(process.execPath, ['bundle.mjs'])
    t.equal(code, 0, stderr)
    t.match(stdout, /class TankClientError/)
    t.notMatch(stdout, /undici|createHash|Registry/, 'no calls, no digests, no registry')
    t.ok(stdout.length < 10_000, `${stdout.length} bytes`)
  })
})
