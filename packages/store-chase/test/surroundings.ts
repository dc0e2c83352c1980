import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Store } from '@tank/store'
import { FaultyLink } from '@tank/store/conformance'
import { type ChaseStoreOptions, openChaseStore } from '../src/index.ts'
import { FakeChase, type FakeOptions } from './fake-chase.ts'

export const MiB = 1024 * 1024

/** A server to test against, and a container of our own in it. */
export interface Backend {
  readonly container: string
  readonly tempUrlKey: string
  readonly port: number
  /** Options that lead straight to it. */
  readonly options: ChaseStoreOptions
  /** The same by another port, for authentication and data alike. */
  through(port: number): ChaseStoreOptions
  /** Names of everything in the container, as the server has them. */
  names(): Promise<string[]>
  /** A request with a valid token; `path` lies below the account. */
  request(method: string, path: string, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

interface Known {
  readonly authUrl: string
  readonly user: string
  readonly key: string
}

/** Set on the accounts of real servers. */
const tempUrlKey = 'key-of-the-tests'

/** The servers that the environment names, each with how to have it. */
const known: readonly { name: string; prefix: string; script: string }[] = [
  { name: 'Swift', prefix: 'TANK_TEST_SWIFT', script: 'swift.sh' },
  { name: 'RADOS Gateway', prefix: 'TANK_TEST_RGW_SWIFT', script: 's3.sh' }
]

export interface Server {
  readonly name: string
  readonly skip: string | undefined
  open(): Promise<Backend>
}

/** Real servers; those that the environment does not name say why they are skipped. */
export function realServers(): Server[] {
  return known.map(realServer)
}

/** A Swift that takes small objects and short manifests only. */
export function smallServer(): Server {
  return realServer({ name: 'a narrow Swift', prefix: 'TANK_TEST_SWIFT_SMALL', script: 'swift.sh' })
}

function realServer({ name, prefix, script }: (typeof known)[number]): Server {
  const { [`${prefix}_AUTH_URL`]: authUrl, [`${prefix}_USER`]: user } = process.env
  const key = process.env[`${prefix}_KEY`]
  if (!authUrl || !user || !key) {
    const skip = `${prefix}_AUTH_URL, _USER, _KEY are not set (e2e/servers/${script} start)`
    return { name, skip, open: () => Promise.reject(new Error(skip)) }
  }
  return { name, skip: undefined, open: () => openReal({ authUrl, user, key }) }
}

export function fakeServer(name: string, options: FakeOptions = {}): Server {
  return { name, skip: undefined, open: () => forkFake(options) }
}

/** Every server there is, and its imitations. */
export function servers(): Server[] {
  const fakes = [fakeServer('a fake Swift'), fakeServer('a fake gateway', { gateway: true })]
  return [...realServers(), ...fakes]
}

async function openReal(known: Known): Promise<Backend> {
  const { authUrl, user, key } = known
  const login = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } })
  const token = login.headers.get('x-auth-token') ?? ''
  const account = login.headers.get('x-storage-url') ?? ''
  const container = `tank-test-${randomUUID()}`
  const port = Number(new URL(authUrl).port)
  const { request, names } = common(account, token, container)
  await request('POST', '', { 'x-account-meta-temp-url-key': tempUrlKey })
  const made = await request('PUT', `/${container}`)
  if (!made.ok) throw new Error(`no container could be made: ${made.status}`)
  return {
    container,
    tempUrlKey,
    port,
    options: { authUrl, user, key, container },
    through: (port) => ({ ...moved(authUrl, account, port), user, key, container }),
    names,
    request,
    async close() {
      for (const name of await names()) await request('DELETE', `/${container}/${name}`)
      await request('DELETE', `/${container}`)
    }
  }
}

/** A fake in this process, for tests that look inside. */
export async function openFake(
  options: FakeOptions = {}
): Promise<Backend & { readonly fake: FakeChase }> {
  const fake = await FakeChase.open(options)
  fake.makeContainer('images')
  fake.tokens.add('token-of-the-test')
  const { port, account } = fake
  return { ...fakeBackend(port, account, () => fake.close()), fake }
}

async function forkFake(options: FakeOptions): Promise<Backend> {
  const program = fileURLToPath(new URL('./fake-process.js', import.meta.url))
  const child = fork(program, [JSON.stringify(options)], { execArgv: [] })
  const [{ port, account }] = await once(child, 'message')
  return fakeBackend(port, account, async () => {
    const exit = once(child, 'exit')
    child.disconnect()
    await exit
  })
}

function fakeBackend(port: number, path: string, close: () => Promise<void>): Backend {
  const authUrl = `http://127.0.0.1:${port}/auth/v1.0`
  const account = `http://127.0.0.1:${port}${path}`
  const credentials = { user: 'test:tester', key: 'testing', container: 'images' }
  return {
    ...common(account, 'token-of-the-test', 'images'),
    container: 'images',
    tempUrlKey: 'temp-url-key',
    port,
    options: { authUrl, ...credentials },
    through: (port) => ({ ...moved(authUrl, account, port), ...credentials }),
    close
  }
}

function common(account: string, token: string, container: string) {
  const request: Backend['request'] = (method, path, headers = {}) =>
    fetch(`${account}${path}`, { method, headers: { ...headers, 'x-auth-token': token } })
  const names = async () => {
    const answer = await request('GET', `/${container}?limit=10000&format=json`)
    const list = (await answer.json()) as { name: string }[]
    return list.map(({ name }) => name)
  }
  return { request, names }
}

function moved(authUrl: string, account: string, port: number) {
  const at = (address: string) => {
    const url = new URL(address)
    url.port = String(port)
    return url.href
  }
  return { authUrl: at(authUrl), storageUrl: at(account) }
}

/** A link to a backend, and stores that reach it by that link. */
export async function openLink(backend: Backend, options: Partial<ChaseStoreOptions> = {}) {
  const link = await FaultyLink.open(backend.port)
  const given = { ...backend.through(link.port), ...options }
  return { link, options: given, open: (): Promise<Store> => openChaseStore(given) }
}
