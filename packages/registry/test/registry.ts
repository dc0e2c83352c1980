import { randomUUID } from 'node:crypto'
import type {
  BeginOperation,
  Change,
  FinishOperation,
  ImageDocument,
  ImageStatus
} from '@tank/model'
import type { FastifyInstance, InjectOptions } from 'fastify'
import pg from 'pg'
import type { Test } from 'tap'
import { buildRegistry, type RegistryConfig } from '../src/index.ts'

export const SECRET = 'a secret of the tests'

/** On whose behalf a test calls: a project, nobody's project, or an administrator. */
export interface TestCaller {
  readonly project?: string | null
  readonly user?: string
  readonly scope?: 'all' | 'project'
  readonly sees?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  /** The parsed body; tests know what they asked for. */
  readonly json: Readonly<Record<string, unknown>>
}

export interface TestRegistry {
  readonly app: FastifyInstance
  readonly url: string
  call(
    caller: TestCaller,
    method: NonNullable<InjectOptions['method']>,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>
  ): Promise<Answer>
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
}

function serverUrl(): string {
  const url = process.env.TANK_TEST_DATABASE_URL
  if (url === undefined) throw new Error('TANK_TEST_DATABASE_URL is not set: run `npm test`')
  return url
}

async function withServer<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: serverUrl() })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** Makes a database of its own, which goes when the test ends. */
export async function createDatabase(t: Test): Promise<string> {
  const name = `tank_registry_${randomUUID().replaceAll('-', '')}`
  await withServer((client) => client.query(`CREATE DATABASE ${name}`))
  t.teardown(() => withServer((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`)))
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  return url.href
}

/** Connections of a test's own, which go when it ends; one may learn of that from the server first. */
export function openPool(t: Test, url: string, more: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, ...more })
  pool.on('error', () => undefined)
  t.teardown(() => pool.end())
  return pool
}

function callerHeaders({ project = null, user, scope, sees }: TestCaller): Record<string, string> {
  return {
    ...(project === null ? {} : { 'tank-project': encodeURIComponent(project) }),
    ...(user === undefined ? {} : { 'tank-user': encodeURIComponent(user) }),
    ...(scope === undefined ? {} : { 'tank-scope': scope }),
    ...(sees === undefined ? {} : { 'tank-sees': sees })
  }
}

/** A registry over a database of its own, or over a given one. */
export async function openRegistry(
  t: Test,
  config: Partial<RegistryConfig> = {}
): Promise<TestRegistry> {
  const url = config.databaseUrl ?? (await createDatabase(t))
  const app = await buildRegistry({
    secret: SECRET,
    sweepSeconds: 600,
    ...config,
    databaseUrl: url
  })
  // last in, first out: connections go before their database does
  const pool = openPool(t, url, { max: 2 })
  t.teardown(() => app.close())
  await app.ready()
  return {
    app,
    url,
    async call(caller, method, path, body, headers = {}) {
      const response = await app.inject({
        method,
        url: `/v1${path}`,
        headers: { authorization: `Bearer ${SECRET}`, ...callerHeaders(caller), ...headers },
        ...(body === undefined ? {} : { payload: body as object })
      })
      const isJson = String(response.headers['content-type']).includes('json')
      return {
        status: response.statusCode,
        headers: response.headers,
        text: response.body,
        json: isJson ? JSON.parse(response.body) : {}
      }
    },
    async query(text, values = []) {
      const { rows } = await pool.query(text, [...values])
      return rows
    }
  }
}

/** Creates an image and returns what the registry answered. */
export async function create(
  registry: TestRegistry,
  caller: TestCaller,
  fields: Readonly<Record<string, unknown>> = {}
): Promise<ImageDocument> {
  const body = { id: randomUUID(), create_token: randomUUID(), ...fields }
  const answer = await registry.call(caller, 'POST', '/images', body)
  if (answer.status !== 201) throw new Error(`create: ${answer.status} ${answer.text}`)
  return answer.json as unknown as ImageDocument
}

export function upload(
  imageId: string,
  fields: Partial<BeginOperation> & { readonly store?: string } = {}
): BeginOperation {
  const { store = 'main', ...rest } = fields
  return {
    id: randomUUID(),
    attempt: randomUUID(),
    kind: 'upload',
    image_id: imageId,
    from: ['queued'],
    to: 'saving',
    fallback: 'queued',
    worker: 'host/1/a',
    blob_id: randomUUID(),
    placement: { id: randomUUID(), store, key: randomUUID(), role: 'data' },
    reserve: null,
    ...rest
  }
}

export function finished(
  operation: BeginOperation,
  size: number,
  status: ImageStatus = 'active'
): FinishOperation {
  return {
    attempt: operation.attempt,
    status,
    blob: {
      size,
      sha256: 'ab'.repeat(32),
      md5: 'cd'.repeat(16),
      os_hash_algo: 'sha256',
      os_hash_value: 'ab'.repeat(32),
      virtual_size: size * 2,
      format: 'raw'
    }
  }
}

/** Creates an image with data. */
export async function createActive(
  registry: TestRegistry,
  caller: TestCaller,
  size: number,
  fields: Readonly<Record<string, unknown>> = {}
): Promise<ImageDocument> {
  const image = await create(registry, caller, fields)
  const operation = upload(image.id, { reserve: size })
  const begun = await registry.call(caller, 'POST', '/operations', operation)
  if (begun.status !== 201) throw new Error(`begin: ${begun.status} ${begun.text}`)
  const path = `/operations/${operation.id}/finish`
  const done = await registry.call(caller, 'POST', path, finished(operation, size))
  if (done.status !== 200) throw new Error(`finish: ${done.status} ${done.text}`)
  return done.json as unknown as ImageDocument
}

export interface ChangesPage {
  readonly changes: readonly Change[]
  readonly next: string
}

/**
 * The changes, once the last one is of that type. What runs in other databases of the server holds changes
 * back, too: other tests do.
 */
export async function changesUpTo(
  { call }: TestRegistry,
  type: Change['type'],
  query = ''
): Promise<ChangesPage> {
  let page: ChangesPage = { changes: [], next: '' }
  await until(async () => {
    page = (await call({ scope: 'all' }, 'GET', `/changes${query}`)).json as unknown as ChangesPage
    return page.changes.at(-1)?.type === type
  })
  return page
}

/** Waits until something holds; the tap timeout ends it otherwise. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 25))
}
