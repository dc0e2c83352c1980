import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ApiConfig, apiConfigSchema, buildApi, type StorePlugin } from '@tank/api'
import { createRegistryClient, type RegistryClient } from '@tank/client'
import { buildRegistry, registryConfigSchema } from '@tank/registry'
import { loadConfig, runServer } from '@tank/service'
import fsStore from '@tank/store-fs'
import { createAnswerCheck } from './answer-schemas.ts'
import { createDocumentCheck } from './api-document.ts'
import { freshDatabase } from './database.ts'
import { type Answer, type RequestOptions, request } from './http.ts'

/** Who a request comes from, as the headers of a trusted front say it. */
export interface Who {
  readonly project?: string
  readonly user?: string
  readonly roles?: string
  readonly serviceRoles?: string
}

export const ADMIN: Who = { project: 'ops', user: 'root', roles: 'admin' }
export const P1: Who = { project: 'P1', user: 'ann', roles: 'member,reader' }
export const P2: Who = { project: 'P2', user: 'bob', roles: 'member' }
export const P3: Who = { project: 'P3', user: 'cat', roles: 'member' }
export const READER: Who = { project: 'P1', user: 'eve', roles: 'reader' }

export function identityHeaders(who: Who): Record<string, string> {
  return {
    'x-identity-status': 'Confirmed',
    ...(who.user === undefined ? {} : { 'x-user-id': who.user }),
    ...(who.project === undefined ? {} : { 'x-project-id': who.project }),
    'x-roles': who.roles ?? '',
    ...(who.serviceRoles === undefined ? {} : { 'x-service-roles': who.serviceRoles })
  }
}

export interface StackOptions {
  readonly api?: Record<string, unknown>
  readonly registry?: Record<string, unknown>
  /** Store plugins by what `use` says; every other `use` is the file store. */
  readonly plugins?: Readonly<Record<string, StorePlugin>>
}

/** One more API over the registry of a stack. */
interface OtherApi {
  readonly url: string
  stop(): Promise<void>
}

/**
 * A registry, an API and two file stores inside this process, on real sockets. Answers that do not
 * follow the schemas of the service (SCH5) or its OpenAPI document are errors.
 */
export interface Stack {
  readonly url: string
  readonly root: string
  readonly registry: RegistryClient
  readonly databaseUrl: string
  call(who: Who | null, method: string, path: string, options?: RequestOptions): Promise<Answer>
  json(who: Who | null, method: string, path: string, body?: unknown): Promise<JsonAnswer>
  patch(who: Who, id: string, operations: unknown, dialect?: string): Promise<JsonAnswer>
  create(who: Who, fields?: object): Promise<Doc>
  upload(who: Who, id: string, bytes: Buffer | string, headers?: object): Promise<Answer>
  /** Starts one more API; `through` may stand between it and the registry. */
  openApi(
    api?: Record<string, unknown>,
    through?: (registry: RegistryClient) => RegistryClient
  ): Promise<OtherApi>
  close(): Promise<void>
}

export type Doc = Record<string, unknown> & { readonly id: string; readonly status: string }

export interface JsonAnswer {
  readonly status: number
  readonly headers: Answer['headers']
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly body: any
}

function toJson(answer: Answer): JsonAnswer {
  const text = answer.body.toString()
  const isJson = String(answer.headers['content-type'] ?? '').includes('json')
  return {
    status: answer.status,
    headers: answer.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text
  }
}

/** What was opened, to be closed in the opposite order. */
type Opened = (() => Promise<unknown>)[]

async function closeAll(opened: Opened): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close()
}

/** Starts a stack; identity comes from headers. A stack that cannot start leaves nothing open. */
export async function openStack(options: StackOptions = {}): Promise<Stack> {
  const opened: Opened = []
  try {
    return await openParts(options, opened)
  } catch (error) {
    await closeAll(opened)
    throw error
  }
}

async function openParts(options: StackOptions, opened: Opened): Promise<Stack> {
  const database = await freshDatabase()
  opened.push(database.drop)
  const root = await mkdtemp(join(tmpdir(), 'tank-e2e-'))
  opened.push(() => rm(root, { recursive: true, force: true }))
  const secret = randomUUID()
  const log = { level: 'silent' }
  const registryApp = await buildRegistry(
    loadConfig(registryConfigSchema, {
      overrides: { databaseUrl: database.url, secret, ...options.registry }
    }),
    { logger: log }
  )
  opened.push(() => registryApp.close())
  const registryServer = await runServer(registryApp, {
    listen: { path: join(root, 'r.sock') },
    drainMs: 2000,
    log: registryApp.log
  })
  opened.push(registryServer.stop)
  const registry = createRegistryClient({ urls: [registryServer.url], secret })
  opened.push(() => registry.close())
  const openApi: Stack['openApi'] = async (api = {}, through = (client) => client) => {
    const config: ApiConfig = loadConfig(apiConfigSchema, {
      overrides: {
        identity: { mode: 'headers' },
        stores: {
          main: { use: '@tank/store-fs', root: join(root, 'main') },
          second: { use: '@tank/store-fs', root: join(root, 'second') }
        },
        defaultStore: 'main',
        collectSeconds: 0.2,
        ...options.api,
        ...api
      }
    })
    const loadStore = async (use: string) => options.plugins?.[use] ?? fsStore
    const app = await buildApi(config, { registry: through(registry), loadStore, logger: log })
    return runServer(app, { listen: { port: 0 }, drainMs: 2000, log: app.log })
  }
  const apiServer = await openApi()
  opened.push(apiServer.stop)
  const { url } = apiServer

  const checkDocument = createDocumentCheck(async () =>
    JSON.parse((await request(`${url}/openapi.json`)).body.toString())
  )
  const call: Stack['call'] = async (who, method, path, more = {}) => {
    const headers = { ...(who === null ? {} : identityHeaders(who)), ...more.headers }
    const answer = await request(`${url}${path}`, { ...more, method, headers })
    await checkDocument(method, path, answer)
    return answer
  }
  const check = createAnswerCheck(async (path) => toJson(await call(ADMIN, 'GET', path)).body)
  const checked = async (method: string, path: string, answer: JsonAnswer) => {
    await check(method, path, answer.status, answer.body)
    return answer
  }
  const json: Stack['json'] = async (who, method, path, body) => {
    const type = { 'content-type': 'application/json' }
    const more = body === undefined ? {} : { headers: type, body: JSON.stringify(body) }
    return checked(method, path, toJson(await call(who, method, path, more)))
  }
  return {
    url,
    root,
    registry,
    databaseUrl: database.url,
    call,
    json,
    patch: async (who, id, operations, dialect = 'v2.1') => {
      const path = `/v2/images/${id}`
      const headers = { 'content-type': `application/openstack-images-${dialect}-json-patch` }
      const body = JSON.stringify(operations)
      return checked('PATCH', path, toJson(await call(who, 'PATCH', path, { headers, body })))
    },
    create: async (who, fields = {}) => {
      const answer = await json(who, 'POST', '/v2/images', {
        name: 'image',
        disk_format: 'raw',
        container_format: 'bare',
        ...fields
      })
      if (answer.status !== 201) throw new Error(`create: ${JSON.stringify(answer)}`)
      return answer.body as Doc
    },
    upload: (who, id, bytes, headers = {}) =>
      call(who, 'PUT', `/v2/images/${id}/file`, {
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': Buffer.byteLength(bytes),
          ...headers
        },
        body: Buffer.from(bytes)
      }),
    openApi,
    close: () => closeAll(opened)
  }
}
