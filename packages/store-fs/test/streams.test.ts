import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open } from 'node:fs/promises'
import { createServer, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { isStoreError, type WritableStore } from '@tank/store'
import t, { type Test } from 'tap'
import { openFsStore } from '../src/index.ts'
import { receive } from '../src/receive.ts'
import { body, descriptors, MiB } from './surroundings.ts'

interface Call {
  readonly name: 'writev' | 'datasync'
  readonly bytes: number
  readonly running: number
}

/** Stands for the system below: takes writes in part, slowly, or not at all. */
function slowFile(behave: { short?: number; ms?: number; flushError?: Error } = {}) {
  const calls: Call[] = []
  const written: Buffer[] = []
  const running = { writev: 0, datasync: 0 }
  const run = async <T>(name: Call['name'], bytes: number, result: () => T): Promise<T> => {
    running[name] += 1
    calls.push({ name, bytes, running: running[name] })
    await sleep(behave.ms ?? 0)
    running[name] -= 1
    return result()
  }
  const handle = {
    writev(list: Uint8Array[]) {
      const all = Buffer.concat(list)
      const taken = all.subarray(0, behave.short ?? all.length)
      return run('writev', all.length, () => {
        written.push(taken)
        return { bytesWritten: taken.length, buffers: list }
      })
    },
    datasync() {
      return run('datasync', 0, () => {
        if (behave.flushError) throw behave.flushError
      })
    }
  }
  return { handle: handle as unknown as FileHandle, calls, written }
}

const options = {
  blockSize: MiB,
  flushBytes: 4 * MiB,
  fsync: true,
  size: undefined,
  signal: undefined
}

function random(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 4)
    bytes.writeInt32LE(Math.imul(at, 2654435761) | 0, at % (size - 4))
  return bytes
}

t.test('a short write goes on where it stopped', async (t) => {
  const bytes = random(3 * MiB + 11)
  const { handle, written } = slowFile({ short: 100_001 })
  const source = Readable.from(chunks(bytes, 65_537), { objectMode: false })
  t.equal(await receive(handle, source, options), bytes.length)
  t.ok(Buffer.concat(written).equals(bytes))

  const stuck = slowFile({ short: 0 })
  const error = await receive(stuck.handle, body(MiB), options).catch((error: unknown) => error)
  t.ok(isStoreError(error, 'FAILED'), 'a write that takes nothing does not go on for ever')
})

function* chunks(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

t.test('writes are large, one at a time, with one flush beside them', async (t) => {
  const { handle, calls } = slowFile({ ms: 3 })
  await receive(handle, body(32 * MiB), options)
  const writes = calls.filter(({ name }) => name === 'writev')
  const flushes = calls.filter(({ name }) => name === 'datasync')
  t.ok(
    writes.every(({ bytes }) => bytes >= MiB),
    'no write below a block'
  )
  t.ok(
    writes.every(({ bytes }) => bytes <= 3 * MiB),
    'and none far above'
  )
  t.ok(
    calls.every(({ running }) => running === 1),
    'never two at a time'
  )
  t.ok(flushes.length >= 3 && flushes.length <= 8, `${flushes.length} early flushes of 32 MiB`)
  const none = slowFile()
  await receive(none.handle, body(32 * MiB), { ...options, fsync: false })
  t.notOk(none.calls.some(({ name }) => name === 'datasync'))
})

t.test('a slow disk holds back the sender', async (t) => {
  const { handle } = slowFile({ ms: 100 })
  const control = new AbortController()
  const source = body(64 * MiB)
  let sent = 0
  source.on('data', (chunk: Buffer) => {
    sent += chunk.length
  })
  const end = receive(handle, source, { ...options, signal: control.signal })
  await sleep(50)
  t.ok(sent <= 4 * MiB, `${sent} bytes are taken during the first write`)
  control.abort(new Error('enough'))
  await t.rejects(end, { message: 'enough' })
  t.ok(source.destroyed)
})

t.test('a body of very small chunks is written in time', async (t) => {
  const { handle, written } = slowFile()
  const source = Readable.from(chunks(Buffer.alloc(20_000, 1), 1), { objectMode: false })
  t.equal(await receive(handle, source, options), 20_000)
  t.ok(written.length > 5, 'chunks are not gathered without end')
})

t.test('the failure of an early flush is not lost', async (t) => {
  const flushError = Object.assign(new Error('i/o'), { code: 'EIO' })
  const { handle } = slowFile({ flushError })
  const source = body(16 * MiB)
  t.equal(await receive(handle, source, options).catch((error: unknown) => error), flushError)
  t.ok(source.destroyed)
})

t.test('a body of text is refused', async (t) => {
  const { handle } = slowFile()
  const text = Readable.from(['some', 'text'])
  const error = await receive(handle, text, options).catch((error: unknown) => error)
  t.ok(isStoreError(error, 'FAILED'))
})

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200 && !(await done()); round += 1) await sleep(100)
}

/** Serves one image by `pump`, as an API would. */
async function serve(t: Test, store: WritableStore, key: string) {
  const ends: Promise<unknown>[] = []
  const server = createServer((_request, response) => {
    const send = async () => {
      const image = await store.get(key)
      response.setHeader('content-length', image.size ?? 0)
      await image.pump?.(response)
      response.end()
    }
    ends.push(
      send().catch((error: unknown) => {
        response.destroy()
        return error
      })
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, ends }
}

t.test('pump sends the right bytes to many HTTP clients at once', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  const key = randomUUID()
  const bytes = random(9 * MiB + 7)
  await store.put(key, Readable.from(chunks(bytes, 65_536), { objectMode: false }))
  const wanted = createHash('sha256').update(bytes).digest('hex')
  const { port } = await serve(t, store, key)
  const digests = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const request = get({ port, host: '127.0.0.1', agent: false })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const hash = createHash('sha256')
      for await (const chunk of response) {
        hash.update(chunk)
        // Some of them slow, so that blocks change hands between fast and slow readers.
        if (index % 4 === 0) await sleep(1)
      }
      return hash.digest('hex')
    })
  )
  t.ok(digests.every((digest) => digest === wanted))
  await sleep(20)
  t.equal(await descriptors(root), 0)
})

t.test('S-28 two hundred readers that stand still keep memory flat', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  const key = randomUUID()
  await mkdir(join(root, key.slice(0, 2)))
  const sparse = await open(join(root, key.slice(0, 2), key), 'w')
  await sparse.truncate(10 * 1024 * MiB)
  await sparse.close()
  const { port, ends } = await serve(t, store, key)
  const before = process.memoryUsage().arrayBuffers
  const sockets = Array.from({ length: 200 }, () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    return socket.pause()
  })
  await until(async () => (await descriptors(root)) === 200)
  await sleep(300)
  const held = (process.memoryUsage().arrayBuffers - before) / MiB
  t.equal(ends.length, 200, 'all of them are being served')
  t.ok(held < 110, `${Math.round(held)} MiB are held`)
  for (const socket of sockets) socket.destroy()
  const errors = await Promise.all(ends)
  t.ok(
    errors.every((error) => isStoreError(error, 'FAILED')),
    'each pump ends with its client'
  )
  t.equal(await descriptors(root), 0, 'and closes its file')
})
