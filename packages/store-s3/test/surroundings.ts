import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { isStoreError, type StoreError, type StoreErrorCode } from '@tank/store'
import t, { type Test } from 'tap'
import { openS3Store, type S3Store, type S3StoreOptions } from '../src/index.ts'
import type { FakeS3 } from './fake-s3.ts'
import { noRealServer, openFake, openReal, type TestServer } from './servers.ts'

export const MiB = 1024 ** 2
export const PART = 5 * MiB

/** Bytes that differ from place to place. */
export function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 509) bytes[at] = (at / 509) & 0xff
  return bytes
}

export function body(bytes: Buffer): Readable {
  let at = 0
  return new Readable({
    read() {
      const chunk = bytes.subarray(at, at + 65_536)
      at += chunk.length
      this.push(chunk.length === 0 ? null : chunk)
    }
  })
}

export async function read(store: S3Store, key: string): Promise<Buffer> {
  const { body } = await store.get(key)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A store of small parts on a server, closed when the test ends. */
export async function storeOn(
  t: Test,
  server: TestServer,
  options: Partial<S3StoreOptions> = {},
  log?: { warn(fields: unknown, message?: string): void }
): Promise<S3Store> {
  const all = { ...server.options, partSize: PART, retrySeconds: 2, ...options }
  const context = log && { log: log as never }
  const store = await openS3Store(all, context)
  t.teardown(() => store.close())
  return store
}

export async function rejects(
  t: Test,
  run: Promise<unknown>,
  code: StoreErrorCode,
  message: RegExp = /./
): Promise<StoreError | undefined> {
  const error = await run.then(
    () => undefined,
    (error: unknown) => error
  )
  t.ok(isStoreError(error, code), `${code}, got ${error}`)
  if (!isStoreError(error)) return undefined
  t.match(error.message, message)
  return error
}

/** A test against both servers. */
export function onEach(name: string, run: (t: Test, server: TestServer) => Promise<void>): void {
  const on = async (t: Test, server: TestServer) => {
    t.teardown(() => server.close())
    await run(t, server)
  }
  t.test(`${name} (fake)`, async (t) => on(t, await openFake()))
  const real = noRealServer === undefined ? {} : { skip: noRealServer }
  t.test(`${name} (real)`, real, async (t) => on(t, openReal()))
}

/** A server that does nothing but what `answer` does. */
export async function openMute(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => answer(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

export async function fakeFor(t: Test): Promise<TestServer & { readonly fake: FakeS3 }> {
  const server = await openFake()
  t.teardown(() => server.close())
  return server
}
