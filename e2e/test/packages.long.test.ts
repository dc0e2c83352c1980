import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { command } from '../src/command.ts'
import { download, request } from '../src/http.ts'
import {
  importsOf,
  installCli,
  installInspector,
  installStores,
  plainEnvironment,
  type StorePackage,
  undeclaredImports
} from '../src/packed.ts'
import { type Missing, missingVariable, testWith } from '../src/require.ts'
import { freePort, tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(300_000)

const BYTES = randomBytes(5 * 1024 * 1024 + 1)
const DIGEST = createHash('sha256').update(BYTES).digest('hex')
const { env } = process

/** Where the lines of a README run here. */
interface Place {
  /** Values of the options that the README names, in place of its examples. */
  readonly options: Readonly<Record<string, string>>
  /** Options that only the surroundings of a test need. */
  readonly more?: object
  /** Where the bytes lie already, for a store that only reads. */
  readonly location?: string
}

interface Server {
  readonly needs: readonly Missing[]
  open(t: Test, folder: string): Promise<Place>
}

const given = (names: readonly string[], script: string) =>
  names.map((name) => missingVariable(name, `e2e/servers/${script} start`))

/** The Swift server, else the gateway of the S3 server, which speaks the same. */
const swift = env.TANK_TEST_SWIFT_AUTH_URL ? 'TANK_TEST_SWIFT' : 'TANK_TEST_RGW_SWIFT'

const SERVERS: Readonly<Record<string, Server>> = {
  '@tank/store-fs': {
    needs: [],
    open: async (_t, folder) => ({ options: { root: join(folder, 'images') } })
  },
  '@tank/store-s3': {
    needs: given(
      ['ENDPOINT', 'BUCKET', 'ACCESS_KEY', 'SECRET_KEY'].map((each) => `TANK_TEST_S3_${each}`),
      's3.sh'
    ),
    open: async () => ({
      options: {
        endpoint: env.TANK_TEST_S3_ENDPOINT ?? '',
        bucket: env.TANK_TEST_S3_BUCKET ?? '',
        accessKeyId: env.TANK_TEST_S3_ACCESS_KEY ?? '',
        secretAccessKey: env.TANK_TEST_S3_SECRET_KEY ?? ''
      }
    })
  },
  '@tank/store-chase': {
    needs: given([`${swift}_AUTH_URL`, `${swift}_USER`, `${swift}_KEY`], 'swift.sh or s3.sh'),
    open: openSwift
  },
  '@tank/store-http': { needs: [], open: openOrigin }
}

/** A container of our own, removed with all that is in it. */
async function openSwift(t: Test): Promise<Place> {
  const authUrl = env[`${swift}_AUTH_URL`] ?? ''
  const user = env[`${swift}_USER`] ?? ''
  const key = env[`${swift}_KEY`] ?? ''
  const container = `tank-readme-${randomUUID()}`
  const login = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } })
  const account = login.headers.get('x-storage-url')
  const headers = { 'x-auth-token': login.headers.get('x-auth-token') ?? '' }
  const made = await fetch(`${account}/${container}`, { method: 'PUT', headers })
  if (!made.ok) throw new Error(`no container could be made: ${made.status}`)
  t.teardown(async () => {
    const names = await (await fetch(`${account}/${container}`, { headers })).text()
    for (const name of names.split('\n').filter((each) => each !== '')) {
      await fetch(`${account}/${container}/${name}`, { method: 'DELETE', headers })
    }
    await fetch(`${account}/${container}`, { method: 'DELETE', headers })
  })
  return { options: { authUrl, user, key, container } }
}

/** A web server of a network that is not public. */
async function openOrigin(t: Test): Promise<Place> {
  const server = http.createServer((asked, answer) => {
    answer.setHeader('content-length', BYTES.length)
    answer.end(asked.method === 'HEAD' ? undefined : BYTES)
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const more = { allowHttp: true, allow: ['127.0.0.1'], ports: [port] }
  return { options: {}, more, location: `http://127.0.0.1:${port}/disk.raw` }
}

/** Puts what is true here in place of the examples of a README, and adds what it leaves out. */
function adapted(use: string, place: Place, port: number, key: string): string {
  let code = use
  const replace = (pattern: RegExp, value: string) => {
    if (!pattern.test(code)) throw new Error(`the README has nothing like ${pattern}`)
    code = code.replace(pattern, () => value)
  }
  const more: Record<string, unknown> = { ...place.more }
  for (const [name, value] of Object.entries(place.options)) {
    const example = new RegExp(`\\b${name}: (?:'[^']*'|process\\.env\\.\\w+)`)
    if (example.test(code)) replace(example, `${name}: ${JSON.stringify(value)}`)
    else more[name] = value
  }
  const [, as = ''] = /\bas: '([^']*)'/.exec(code) ?? []
  const added = Object.entries(more).map(([name, value]) => `${name}: ${JSON.stringify(value)}, `)
  replace(/\bas: '[^']*',?/, `as: '${as}', ${added.join('')}`)
  replace(/\bport: 8080\b/, `port: ${port}`)
  return `${code}
process.once('SIGTERM', async () => {
  await app.stores.get('${as}').delete?.('${key}')
  await app.close()
})
`
}

/** A program that is asked to end, and has to. */
class Program {
  readonly #child: ChildProcess
  readonly #over: Promise<number | null>
  said = ''

  constructor(file: string) {
    this.#child = spawn(process.execPath, [file], {
      cwd: dirname(file),
      env: plainEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe']
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.said += text
    })
    this.#over = new Promise((resolve) => this.#child.on('close', resolve))
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000)
    const code = await this.#over
    clearTimeout(timer)
    return code
  }
}

/** The address at which the program of a README gives an image back. */
function addressOf(use: string, key: string, location = ''): string {
  const path = /\bapp\.get\('([^']*)'/.exec(use)?.[1]?.replace(/:\w+/, key) ?? '/'
  const parameter = /\bquery\.(\w+)/.exec(use)?.[1]
  return parameter === undefined ? path : `${path}?${parameter}=${encodeURIComponent(location)}`
}

/** Puts a file by the program of a README, where the store takes any, and gets it back. */
async function stream(t: Test, { name, use }: StorePackage, place: Place, folder: string) {
  const port = await freePort()
  const key = `readme-${randomUUID()}`
  // beside node_modules, where a project has its own files
  const file = join(folder, 'project', `${name.replace('@tank/', '')}.js`)
  await writeFile(file, adapted(use, place, port, key))
  const program = new Program(file)
  const base = `http://127.0.0.1:${port}`
  try {
    await until(`${name} listens`, 30_000, async () =>
      program.isRunning ? (await request(`${base}/no-such-image`)).status : 'ended'
    )
    if (place.location === undefined) {
      const source = join(folder, 'disk.raw')
      await writeFile(source, BYTES)
      const put = await request(`${base}/${key}`, { method: 'PUT', body: createReadStream(source) })
      t.match(put, { status: 200 }, `in: ${put.body}`)
    }
    const got = await download(`${base}${addressOf(use, key, place.location)}`)
    t.match(got, { status: 200, isComplete: true, size: BYTES.length, sha256: DIGEST }, 'and out')
  } finally {
    t.equal(await program.stop(), 0, 'it ends by itself')
    if (!t.passing()) t.comment(program.said)
  }
}

t.test('each store, as it is published, in an application of its own', async (t) => {
  const folder = await tempFolder(t)
  const stores = await installStores(folder)
  t.ok(stores.length >= 4, stores.map(({ name }) => name).join(' '))
  for (const store of stores) {
    const { name } = store
    await t.test(`${name} declares all that it imports`, async (t) => {
      t.same(await undeclaredImports(store.folder), [])
    })
    await t.test(`${name}: its README installs all that its lines import`, async (t) => {
      t.not(store.use, '', 'there are lines below "Use"')
      t.same(
        importsOf(store.use).filter((each) => !store.install.split(/\s+/).includes(each)),
        []
      )
    })
    const server = SERVERS[name]
    if (server === undefined) {
      t.fail(`say in this file where the lines of ${name} can run`)
      continue
    }
    await testWith(t, `${name}: the lines of its README run`, server.needs, async (t) => {
      const own = join(folder, name.replace('@tank/', ''))
      await mkdir(own)
      await stream(t, store, await server.open(t, own), folder)
    })
  }
})

t.test('the inspector, as it is published, in a project of its own', async (t) => {
  const { folder, installed, examples } = await installInspector(await tempFolder(t))
  t.same(installed, ['@tank/inspect'], 'it brings nothing along')
  t.same(await undeclaredImports(join(folder, 'node_modules/@tank/inspect')), [])
  const image = join(folder, 'disk.qcow2')
  await writeFile(image, Buffer.alloc(1024 * 1024, 'tank'))
  const env = { ...plainEnvironment(), IMAGE_FILE: image }
  const run = async (name: string, code: string) => {
    await writeFile(join(folder, name), code)
    return command(process.execPath, [name], { cwd: folder, env, timeoutMs: 60_000 })
  }
  t.ok(examples.length >= 2, 'its README has programs')
  for (const [index, code] of examples.entries()) {
    const { code: status, stdout, stderr } = await run(`example-${index}.js`, code)
    t.match({ status, stdout }, { status: 0, stdout: /raw[\s\S]*safe/ }, stderr)
  }
  const required =
    "require('@tank/inspect').inspectFile(process.env.IMAGE_FILE).then(({ verdict }) => console.log(verdict))"
  t.match((await run('required.cjs', required)).stdout, /safe/, 'and from CommonJS')
})

t.test('the command, as it is published, in a project of its own', async (t) => {
  const project = await installCli(await tempFolder(t))
  const base = { HOME: project, PATH: env.PATH ?? '' }
  const tank = (args: readonly string[], more: Record<string, string> = {}) =>
    command(join(project, 'node_modules/.bin/tank'), args, {
      cwd: project,
      env: { ...base, ...more }
    })
  t.match(await tank(['version']), { code: 0, stdout: /^tank \d/ })
  t.match(await tank(['image', 'list', '--url', 'http://127.0.0.1:1']), { code: 5 })
  t.match(await tank(['completion', 'bash']), { code: 0, stdout: /image/ }, 'every command loads')
  t.match(await tank(['check-config']), { code: 0 })
  const alone = await tank(['serve', '--port', '0', '--data-dir', join(project, 'data')])
  t.match(alone, { code: 1, stderr: /TANK_DATABASE_URL/ }, 'no database came along')
  for (const name of ['tank-api', 'tank-registry']) {
    const { code, stdout } = await command(join(project, 'node_modules/.bin', name), ['--help'], {
      cwd: project,
      env: base
    })
    t.match({ code, stdout }, { code: 0, stdout: /^tank (api|registry)/ }, name)
  }
})
