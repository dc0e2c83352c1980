// Checks the packages as they would be published: who may import whom, what the manifest and the
// tarball have to contain, publint and attw on the tarball.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { outboundFiles } from './outbound.mjs'

const root = new URL('../', import.meta.url).pathname
const PNPM = ['-y', 'pnpm@12.21.0']

/** Who may import which other package of this workspace. A store imports the contract alone. */
const ARROWS = {
  model: [],
  client: ['model'],
  service: ['model'],
  registry: ['model', 'service'],
  store: [],
  inspect: [],
  api: ['model', 'client', 'service', 'store', 'inspect']
}
const allowed = (name) => {
  if (name === 'cli') return undefined // the place where everything is put together
  return name.startsWith('store-') ? ['store'] : ARROWS[name]
}

const faults = []
const fault = (name, text) => faults.push(`@tank/${name}: ${text}`)

function checkArrows(name, manifest) {
  const targets = allowed(name)
  if (targets === undefined && name !== 'cli') {
    fault(name, 'scripts/check-packages.mjs does not know what it may import')
  }
  for (const kind of [
    'dependencies',
    'devDependencies',
    'peerDependencies',
    'optionalDependencies'
  ]) {
    for (const [dependency, range] of Object.entries(manifest[kind] ?? {})) {
      const own = /^@tank\/(.*)$/.exec(dependency)?.[1]
      if (own === undefined) continue
      if (targets !== undefined && !targets.includes(own)) fault(name, `may not use @tank/${own}`)
      if (range !== 'workspace:*') fault(name, `${kind}: @tank/${own} should be workspace:*`)
    }
  }
}

function checkManifest(name, manifest, folder) {
  const wanted = {
    name: `@tank/${name}`,
    license: 'Apache-2.0',
    type: 'module',
    'engines.node': '>=20.19'
  }
  for (const [path, value] of Object.entries(wanted)) {
    const found = path.split('.').reduce((node, key) => node?.[key], manifest)
    if (found !== value) fault(name, `package.json: ${path} should be ${value}`)
  }
  for (const key of ['version', 'description', 'files', 'exports']) {
    if (!manifest[key]) fault(name, `package.json: ${key} is missing`)
  }
  if (!existsSync(join(folder, 'README.md'))) fault(name, 'README.md is missing')
  for (const script of ['preinstall', 'install', 'postinstall']) {
    if (manifest.scripts?.[script]) fault(name, `package.json: may not have a script ${script}`)
  }
}

function contentsOf(tarball) {
  const { stdout } = spawnSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
  return stdout.split('\n').map((path) => path.replace(/^package\//, ''))
}

function checkContents(name, tarball) {
  const paths = contentsOf(tarball)
  for (const path of [
    'package.json',
    'README.md',
    'LICENSE',
    'dist/src/index.js',
    'dist/src/index.d.ts'
  ]) {
    if (!paths.includes(path)) fault(name, `the tarball lacks ${path}`)
  }
  const strange = paths.filter((path) =>
    /(^|\/)(test|node_modules|\.tap)\/|tsbuildinfo$/.test(path)
  )
  if (strange.length > 0) fault(name, `the tarball should not have ${strange[0]}`)
}

async function checkPublint(name, tarball) {
  const file = readFileSync(tarball)
  const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength)
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
  for (const message of messages) fault(name, `publint: ${formatMessage(message, pkg)}`)
}

function checkTypes(name, tarball) {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('@arethetypeswrong/cli/package.json')
  const program = join(dirname(manifest), require(manifest).bin.attw)
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-color'],
    { encoding: 'utf8' }
  )
  if (status !== 0) fault(name, `attw:\n${stdout}${stderr}`)
}

const names = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json'))
)
const target = mkdtempSync(join(tmpdir(), 'tank-pack-'))
try {
  for (const name of names) {
    const folder = join(root, 'packages', name)
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    checkArrows(name, manifest)
    for (const file of outboundFiles(name, folder)) {
      fault(name, `${file} talks to other hosts: that is for the clients and stores alone (S-19)`)
    }
    if (manifest.private) continue
    checkManifest(name, manifest, folder)
    const packed = spawnSync('npx', [...PNPM, 'pack', '--pack-destination', target], {
      cwd: folder,
      encoding: 'utf8'
    })
    const tarball = join(target, `tank-${name}-${manifest.version}.tgz`)
    if (packed.status !== 0 || !existsSync(tarball)) {
      fault(name, `pnpm pack failed: ${packed.stdout}${packed.stderr}`)
      continue
    }
    checkContents(name, tarball)
    await checkPublint(name, tarball)
    checkTypes(name, tarball)
  }
} finally {
  rmSync(target, { recursive: true, force: true })
}
for (const line of faults) process.stderr.write(`${line}\n`)
process.stdout.write(`${names.length} packages, ${faults.length} faults\n`)
process.exitCode = faults.length === 0 ? 0 : 1
