import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command } from './command.ts'

const packages = fileURLToPath(new URL('../../../packages', import.meta.url))
const PNPM = ['-y', 'pnpm@12.21.0']

/** A store package of this workspace. */
export interface StorePackage {
  /** such as `@tank/store-fs` */
  readonly name: string
  /** Its folder in the project that it was installed into. */
  readonly folder: string
  /** The first block of code below "Use" of its README; empty when there is none. */
  readonly use: string
  /** What "Install" of its README says. */
  readonly install: string
}

/** The environment without what npm and tap say to their children. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(TAP|NODE_OPTIONS|npm_(lifecycle|package)_|npm_config_(local|global)_prefix)/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

async function run(file: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await command(file, args, {
    cwd,
    env: plainEnvironment(),
    timeoutMs: 240_000
  })
  if (code !== 0) throw new Error(`${file} ${args.join(' ')}: ${code}\n${stdout}\n${stderr}`)
}

function firstBlock(readme: string, heading: string, languages: string): string {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return new RegExp(`\`\`\`(?:${languages})\n([\\s\\S]*?)\`\`\``).exec(section)?.[1] ?? ''
}

/** The name that `npm pack` and `pnpm pack` give a tarball. */
function tarball(name: string, version: string): string {
  return `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
}

/** Packs the packages of these folders as they would be published: name and tarball of each. */
async function pack(folders: readonly string[], to: string): Promise<ReadonlyMap<string, string>> {
  const packed = new Map<string, string>()
  for (const folder of folders) {
    const manifest = JSON.parse(await readFile(join(packages, folder, 'package.json'), 'utf8'))
    if (manifest.private === true) continue
    packed.set(manifest.name, join(to, tarball(manifest.name, manifest.version)))
  }
  const filters = [...packed.keys()].flatMap((name) => ['--filter', name])
  await run('npx', [...PNPM, '-r', ...filters, 'pack', '--pack-destination', to], packages)
  return packed
}

async function npmInstall(project: string, ...more: string[]): Promise<void> {
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...more], project)
}

/** A project that has the client and nothing else. */
export interface ClientProject {
  readonly folder: string
  /** Names of all packages that came with it. */
  readonly installed: readonly string[]
  /** Adds what only a test of the client needs, under the names given. */
  add(dependencies: Readonly<Record<string, string>>): Promise<void>
}

/** Packs the client and the model, and installs the client into an empty project in `folder`. */
export async function installClient(folder: string): Promise<ClientProject> {
  const packed = await pack(['client', 'model'], folder)
  const file = (name: string) => `file:${packed.get(name)}`
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { '@tank/client': file('@tank/client') },
    // not published yet, so it has to be said where it is
    overrides: { '@tank/model': file('@tank/model') }
  }
  const project = join(folder, 'project')
  await mkdir(project)
  const install = async (devDependencies: object) => {
    await writeFile(join(project, 'package.json'), JSON.stringify({ ...manifest, devDependencies }))
    await npmInstall(project)
  }
  await install({})
  return { folder: project, installed: await installedIn(project), add: install }
}

/** A project that has a package without dependencies and nothing else. */
export interface PlainProject {
  readonly folder: string
  readonly installed: readonly string[]
  /** All programs of its README. */
  readonly examples: readonly string[]
}

/** Packs the inspector and installs it into an empty project in `folder`. */
export async function installInspector(folder: string): Promise<PlainProject> {
  const packed = await pack(['inspect'], folder)
  const name = '@tank/inspect'
  const project = join(folder, 'project')
  await mkdir(project)
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { [name]: `file:${packed.get(name)}` }
  }
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest))
  await npmInstall(project)
  const readme = await readFile(join(project, 'node_modules', name, 'README.md'), 'utf8')
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code)
  return { folder: project, installed: await installedIn(project), examples }
}

/**
 * Packs the command with all that it needs of this workspace, and installs it into an empty project in
 * `folder`, without what npm calls optional. Returns the project.
 */
export async function installCli(folder: string): Promise<string> {
  const packed = await pack(await readdir(packages), folder)
  const files = [...packed].map(([name, file]) => [name, `file:${file}`] as const)
  const manifest = {
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(files.filter(([name]) => name === '@tank/cli')),
    // not published yet, so it has to be said where they are
    overrides: Object.fromEntries(files.filter(([name]) => name !== '@tank/cli'))
  }
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest))
  await npmInstall(project, '--omit=optional')
  return project
}

async function installedIn(project: string): Promise<string[]> {
  const lock = await readFile(join(project, 'node_modules', '.package-lock.json'), 'utf8')
  const paths = Object.keys(JSON.parse(lock).packages)
  return paths.map((path) => path.replace(/^.*node_modules\//, '')).sort()
}

/**
 * Packs all store packages as they would be published, and installs them together with Fastify into
 * an empty project in `folder`.
 */
export async function installStores(folder: string): Promise<StorePackage[]> {
  const isStore = (name: string) => name === 'store' || name.startsWith('store-')
  const packed = await pack((await readdir(packages)).filter(isStore), folder)
  const dependencies: Record<string, string> = { fastify: '^5.12.0' }
  const overrides: Record<string, string> = {}
  // the contract comes along with the stores: nobody asks for it
  for (const [name, file] of packed) {
    const to = name === '@tank/store' ? overrides : dependencies
    to[name] = `file:${file}`
  }
  const project = join(folder, 'project')
  await mkdir(project)
  const manifest = { private: true, type: 'module', dependencies, overrides }
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest))
  await npmInstall(project)
  const found = Object.keys(dependencies).filter((name) => name.startsWith('@tank/'))
  return Promise.all(
    found.map(async (name) => {
      const place = join(project, 'node_modules', name)
      const readme = await readFile(join(place, 'README.md'), 'utf8').catch(() => '')
      const use = firstBlock(readme, 'Use', 'js|ts|javascript|typescript')
      return { name, folder: place, use, install: firstBlock(readme, 'Install', 'sh|bash') }
    })
  )
}

const IMPORT = /(?:from|import|import\()\s*['"]((?:@[\w.-]+\/)?\w[\w.-]*)(?:\/[^'"]*)?['"]/g

/** The packages that a module imports; neither its own files nor those of Node. */
export function importsOf(code: string): string[] {
  return [...code.matchAll(IMPORT)].flatMap(([, name = '']) => (isBuiltin(name) ? [] : [name]))
}

/**
 * What the files of an installed package import without declaring it: it would be missing where
 * nobody else happens to have installed it.
 */
export async function undeclaredImports(folder: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
  const missing = new Set<string>()
  for (const file of await readdir(join(folder, 'dist/src'), { recursive: true })) {
    if (!file.endsWith('.js') && !file.endsWith('.d.ts')) continue
    const text = await readFile(join(folder, 'dist/src', file), 'utf8')
    for (const name of importsOf(text)) {
      if (!Object.hasOwn(declared, name)) missing.add(name)
    }
  }
  return [...missing].sort()
}
