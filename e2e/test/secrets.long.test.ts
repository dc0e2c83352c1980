import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { leaksIn, SECRETS, type SecretName, type Seen } from '../src/canaries.ts'
import { command } from '../src/command.ts'
import { freshDatabase } from '../src/database.ts'
import { EchoBackend, MODES, type Mode } from '../src/echo-backend.ts'
import { type Answer, type RequestOptions, request } from '../src/http.ts'
import { freePort, program, tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(300_000)

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(TANK_|TAP|NODE_OPTIONS)/.test(name))
)
const backends = { s3: new EchoBackend(), chase: new EchoBackend(), web: new EchoBackend() }
const seen: Seen[] = []

async function becomeAll(mode: Mode): Promise<void> {
  for (const backend of Object.values(backends)) await backend.become(mode)
}

function storesIn(folder: string): Record<string, Record<string, unknown>> {
  const at = (backend: EchoBackend) => `http://127.0.0.1:${backend.port}`
  return {
    main: { use: '@tank/store-fs', root: join(folder, 'images') },
    s3: {
      use: '@tank/store-s3',
      endpoint: at(backends.s3),
      bucket: 'images',
      accessKeyId: SECRETS.s3Access,
      secretAccessKey: SECRETS.s3Secret,
      sessionToken: SECRETS.s3Session,
      exclusive: false,
      maxAttempts: 1,
      retrySeconds: 0.1
    },
    chase: {
      use: '@tank/store-chase',
      authUrl: `${at(backends.chase)}/auth/v1.0`,
      user: SECRETS.chaseUser,
      key: SECRETS.chaseKey,
      tempUrlKey: SECRETS.tempUrlKey,
      container: 'images',
      maxAttempts: 1
    },
    web: {
      use: '@tank/store-http',
      allowHttp: true,
      allow: ['127.0.0.1'],
      ports: [backends.web.port],
      openSeconds: 0.3
    }
  }
}

async function fileIn(folder: string, name: string, content: object | string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** Runs a command to its end. */
async function run(what: string, args: readonly string[], env: object = {}): Promise<number> {
  const all = { env: { ...clean, ...env }, timeoutMs: 20_000 }
  const { code, stdout, stderr } = await command(process.execPath, [program, ...args], all)
  seen.push({ where: `tank ${args[0]}, ${what}`, text: `${stdout}${stderr}` })
  return code
}

/** Starts a server, whose whole log is kept. */
async function serve(t: Test, folder: string, name: string, config: object): Promise<string> {
  const port = await freePort()
  const file = await fileIn(folder, `${name}.json`, { ...config, log: { level: 'debug' } })
  const args = [program, name, '--config', file, '--port', `${port}`]
  const child = spawn(process.execPath, args, { env: clean })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (each) => chunks.push(each))
  const over = new Promise((resolve) => child.on('close', resolve))
  t.teardown(() => {
    child.kill('SIGKILL')
    return over
  })
  const text = () => Buffer.concat(chunks).toString()
  seen.push({
    where: `the log of tank ${name}`,
    get text() {
      return text()
    }
  })
  const url = `http://127.0.0.1:${port}`
  const isUp = await until(`tank ${name} answers`, 60_000, async () => {
    if (child.exitCode !== null) return false
    return (await request(`${url}/healthcheck`)).status === 200
  })
  if (!isUp) throw new Error(`tank ${name} ended: ${text()}`)
  return url
}

/** Requests to the API, whose answers are kept. */
class Caller {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async call(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const answer = await request(`${this.#url}${path}`, { ...options, method }).catch(() => null)
    if (answer === null) return { status: 0, headers: {}, body: Buffer.alloc(0) }
    const text = `${JSON.stringify(answer.headers)}\n${answer.body}`
    // an administrator is told where data lies, and people what they asked for themselves
    const holds: SecretName[] =
      method === 'GET' && /\/(locations|tasks)$/.test(path) ? ['locationToken'] : []
    seen.push({ where: `${method} ${path}: ${answer.status}`, text, holds })
    return answer
  }

  post(path: string, body: object): Promise<Answer> {
    const headers = { 'content-type': 'application/json' }
    return this.call('POST', path, { headers, body: JSON.stringify(body) })
  }

  async create(name = 'image'): Promise<string> {
    const format = { disk_format: 'raw', container_format: 'bare' }
    const { body } = await this.post('/v2/images', { name, ...format })
    return JSON.parse(body.toString()).id
  }

  async upload(store: string): Promise<{ id: string; status: number }> {
    const id = await this.create()
    const headers = { 'content-type': 'application/octet-stream', 'x-image-meta-store': store }
    const { status } = await this.call('PUT', `/v2/images/${id}/file`, { headers, body: 'data' })
    return { id, status }
  }

  /** Adds a location and waits for the end of that; returns what the image is then. */
  async locate(url: string): Promise<{ id: string; status: string }> {
    const id = await this.create()
    await this.post(`/v2/images/${id}/locations`, { url })
    await this.settled(id)
    const { body } = await this.call('GET', `/v2/images/${id}`)
    return { id, status: JSON.parse(body.toString()).status }
  }

  settled(id: string): Promise<boolean> {
    return until(`the tasks of ${id} are over`, 30_000, async () => {
      const { body } = await this.call('GET', `/v2/images/${id}/tasks`)
      const { tasks } = JSON.parse(body.toString())
      const isOver = ({ status }: { status: string }) => /success|failure/.test(status)
      return tasks.every(isOver) ? true : undefined
    })
  }
}

/** Images that lie in each store, from the time when all was well. */
interface Images {
  readonly main: string
  readonly s3: string
  readonly chase: string
  readonly web: string
}

async function makeImages(t: Test, api: Caller): Promise<Images> {
  const found: Record<string, string> = {}
  for (const store of ['main', 's3', 'chase']) {
    const { id, status } = await api.upload(store)
    t.equal(status, 204, `an image in ${store}`)
    found[store] = id
  }
  const { id, status } = await api.locate(backends.web.publish('/disk.raw', 'data'))
  t.equal(status, 'active', 'an image on the web')
  return { main: '', s3: '', chase: '', ...found, web: id }
}

/** Everything that meets a backend, which may well fail. */
async function useAll(api: Caller, images: Images): Promise<number[]> {
  const statuses: number[] = []
  for (const id of Object.values(images)) {
    statuses.push((await api.call('GET', `/v2/images/${id}/file`)).status)
    for (const more of ['', '/locations', '/tasks'])
      await api.call('GET', `/v2/images/${id}${more}`)
  }
  for (const store of ['s3', 'chase']) {
    const { id, status } = await api.upload(store)
    statuses.push(status)
    const copied = {
      method: { name: 'copy-image' },
      stores: [store],
      all_stores_must_succeed: true
    }
    await api.post(`/v2/images/${images.main}/import`, copied)
    await api.settled(images.main)
    await api.call('DELETE', `/v2/stores/${store}/${images.main}`)
    await api.call('DELETE', `/v2/images/${id}`)
  }
  const { id } = await api.locate(backends.web.publish('/other.raw', 'data'))
  await api.call('DELETE', `/v2/images/${id}`)
  for (const path of ['/readyz', '/metrics', '/v2/info/stores', '/v2/info/stores/detail']) {
    await api.call('GET', path)
  }
  return statuses
}

/** Secrets in requests that are refused. */
async function askWrongly(t: Test, api: Caller): Promise<void> {
  const id = await api.create()
  const withUser = `http://user:${SECRETS.locationPassword}@127.0.0.1:${backends.web.port}/disk.raw`
  for (const url of [withUser, `no url ${SECRETS.locationToken}`, 'ftp://outside.example/x']) {
    const path = `/v2/images/${id}/locations`
    const { status } = await api.post(path, { url: `${url}?token=${SECRETS.locationToken}` })
    t.ok(status === 400 || status === 403, `refused: ${status}`)
    const method = { name: 'web-download', uri: `${url}?token=${SECRETS.locationToken}` }
    t.ok((await api.post(`/v2/images/${id}/import`, { method })).status >= 400)
  }
}

/** Starts with something wrong next to every secret; none may succeed. */
async function startWrongly(t: Test, folder: string, api: Record<string, unknown>): Promise<void> {
  const { s3, chase } = storesIn(folder)
  const inUrl = (secret: string) => `http://user:${secret}@127.0.0.1:1/`
  const wrong: Record<string, object> = {
    's3-no-text': { ...s3, secretAccessKey: [SECRETS.s3Secret], bucket: 7 },
    's3-mistyped': { ...s3, accesKeyId: SECRETS.s3Access },
    's3-key-alone': { ...s3, accessKeyId: undefined },
    's3-user-info': { ...s3, endpoint: inUrl(SECRETS.s3Secret) },
    'chase-no-text': { ...chase, key: { key: SECRETS.chaseKey } },
    'chase-user-info': { ...chase, authUrl: inUrl(SECRETS.chaseKey) },
    'chase-no-user': { ...chase, user: undefined },
    'no-package': { use: 'no-such-package', key: SECRETS.s3Secret }
  }
  const write = (content: object) => fileIn(folder, 'wrong.json', content)
  const checked = await write({ api: { ...api, stores: wrong, defaultStore: '' } })
  t.equal(await run('all wrong', ['store', 'check', '--config', checked]), 1)
  for (const what of ['s3-no-text', 's3-user-info', 'chase-user-info']) {
    const stores = { [what]: wrong[what] }
    const file = await write({ api: { ...api, stores, defaultStore: what } })
    t.equal(await run(what, ['api', '--config', file, '--port', '0']), 1, what)
  }
  const broken = await fileIn(folder, 'broken.yaml', `api:\n  key: "${SECRETS.s3Secret}\n a: [`)
  t.equal(await run('no YAML', ['check-config', '--config', broken]), 2)
  const registry = { secret: [SECRETS.registrySecret], databaseUrl: 7 }
  const file = await write({ registry })
  t.equal(await run('no text', ['registry', '--config', file, '--port', '0']), 2)
  const database = `postgres://tank:${SECRETS.databasePassword}@127.0.0.1:1/tank`
  const env = { TANK_DATABASE_URL: database, TANK_REGISTRY_SECRET: SECRETS.registrySecret }
  t.not(await run('no database', ['registry', '--port', '0'], env), 0)
}

/** Every row of every table, whole. */
async function dump(url: string): Promise<Seen[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
    )
    const rows: Seen[] = []
    for (const { name } of tables.rows) {
      // where bytes lie has to be kept whole, and so has the work that is to fetch them
      const keeps = /\.(placements|operations)$/.test(name)
      const holds: SecretName[] = keeps ? ['locationToken'] : []
      const found = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)
      for (const { text } of found.rows) rows.push({ where: `table ${name}`, text, holds })
    }
    return rows
  } finally {
    await client.end()
  }
}

/** The scan must find what is there. */
async function plant(t: Test, api: Caller, databaseUrl: string): Promise<void> {
  const before = seen.length
  await api.create(SECRETS.planted)
  await api.call('GET', `/v2/images?name=${SECRETS.planted}`)
  const places = await until('the planted secret is everywhere', 10_000, async () => {
    const logs = seen.filter(({ where }) => where.startsWith('the log'))
    const found = leaksIn([...logs, ...seen.slice(before), ...(await dump(databaseUrl))])
    const places = found.map((each) => each.slice(0, each.indexOf(': planted')))
    return places.some((each) => each === 'the log of tank api') ? places : undefined
  })
  for (const place of [
    /^POST .*: 201$/,
    /^GET .*: 200$/,
    /^the log of tank api$/,
    /^table .*images$/
  ]) {
    t.ok(
      places.some((each) => place.test(each)),
      `found: ${place}`
    )
  }
  t.equal(
    leaksIn([{ where: 'x', text: Buffer.from(`u:${SECRETS.s3Secret}`).toString('base64') }]).length,
    1
  )
}

t.test('S-02: secrets of the configuration appear nowhere', async (t) => {
  const folder = await tempFolder(t)
  const database = await freshDatabase()
  t.teardown(database.drop)
  for (const backend of Object.values(backends)) await backend.open()
  t.teardown(() => becomeAll('refused'))
  const secret = SECRETS.registrySecret
  const quick = { leaseSeconds: 3, heartbeatSeconds: 1, sweepSeconds: 0.5, garbageGraceSeconds: 6 }
  const registry = { databaseUrl: database.url, secret, ...quick }
  const link = { urls: [await serve(t, folder, 'registry', { registry })], secret }
  const base = {
    registry: link,
    defaultStore: 'main',
    collectSeconds: 0.3,
    jobs: { pollSeconds: 0.3 },
    transfers: { storeSeconds: 2, storePauseSeconds: 0 }
  }
  // the backends are away, and so it starts without them
  const config = { api: { ...base, stores: storesIn(folder) } }
  const api = new Caller(await serve(t, folder, 'api', config))
  const file = await fileIn(folder, 'well.json', config)

  await becomeAll('well')
  const images = await makeImages(t, api)
  for (const mode of [...MODES, 'refused'] as const) {
    await t.test(`the backends are ${mode}`, async (t) => {
      await becomeAll(mode)
      const failed = (await useAll(api, images)).filter((status) => status >= 400 || status === 0)
      if (mode === 'well') t.equal(failed.length, 0)
      else t.ok(failed.length >= 3, `${failed.length} failures`)
      const words = ['denied', 'garbage'].includes(mode) ? ['check', 'list', 'gc'] : ['check']
      for (const word of words) {
        const code = await run(`${word}, ${mode}`, ['store', word, '--config', file])
        if (word === 'check') t.equal(code, mode === 'well' ? 0 : 1)
      }
      if (mode === 'denied') t.equal(await run(mode, ['api', '--config', file, '--port', '0']), 1)
    })
  }
  await becomeAll('away')
  await t.test('requests that are refused', (t) => askWrongly(t, api))
  await t.test('starts that fail', (t) => startWrongly(t, folder, base))
  t.ok(
    Object.values(backends).every(({ asked }) => asked > 30),
    'all of them were asked'
  )

  const records = await dump(database.url)
  t.same(leaksIn([...seen, ...records]), [], `${seen.length} outputs, ${records.length} rows`)
  await t.test('the scan finds what is there', (t) => plant(t, api, database.url))
})
