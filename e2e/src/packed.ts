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

async function packAll(to: string): Promise<ReadonlyMap<string, string>> {
  const args = ['-r', '--filter', '@tank/store', '--filter', '@tank/store-*', 'pack']
  await run('npx', [...PNPM, ...args, '--pack-destination', to], packages)
  const packed = new Map<string, string>()
  for (const folder of await readdir(packages)) {
    if (folder !== 'store' && !folder.startsWith('store-')) continue
    const manifest = JSON.parse(await readFile(join(packages, folder, 'package.json'), 'utf8'))
    if (manifest.private === true) continue
    packed.set(manifest.name, join(to, tarball(manifest.name, manifest.version)))
  }
  return packed
}

/**
 * Packs all store packages as they would be published, and installs them together with Fastify into
 * an empty project in `folder`.
 */
export async function installStores(folder: string): Promise<StorePackage[]> {
  const packed = await packAll(folder)
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
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], project)
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
