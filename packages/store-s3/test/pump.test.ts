import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultyLink } from '@tank/store/conformance'
import t from 'tap'
import { openFake } from './servers.ts'
import { body, MiB, onEach, read, rejects, storeOn } from './surroundings.ts'

onEach('what is pumped arrives as it is, however slowly it is taken', async (t, server) => {
  const store = await storeOn(t, server)
  const bytes = randomBytes(24 * MiB + 11)
  const key = randomUUID()
  await store.put(key, body(bytes), { size: bytes.length })
  const pumped = async (pause: (chunks: number) => Promise<void> | undefined) => {
    const hash = createHash('sha256')
    let chunks = 0
    const to = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks += 1
        // Looked at only when it is called back: until then the block must stay as it is.
        const look = () => {
          hash.update(chunk)
          callback()
        }
        const waiting = pause(chunks)
        if (waiting === undefined) look()
        else void waiting.then(look)
      }
    })
    const image = await store.get(key)
    t.ok(image.pump)
    await image.pump?.(to)
    t.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  }
  // One connection for all of them, so that what one leaves behind is what the next one finds.
  await pumped(() => undefined)
  await store.stat(key)
  await pumped(() => new Promise((resolve) => setImmediate(resolve)))
  t.ok(bytes.equals(await read(store, key)))
  await pumped((chunks) => (chunks % 5 === 0 ? sleep(3) : undefined))
  await pumped((chunks) => (chunks % 30 > 20 ? sleep(2) : undefined))
  await Promise.all([
    pumped(() => new Promise((resolve) => setImmediate(resolve))),
    pumped(() => undefined),
    read(store, key).then((whole) => t.ok(bytes.equals(whole)))
  ])
  await store.delete(key)
})

onEach('a pump whose server stops fails', async (t, server) => {
  const link = await FaultyLink.open(server.port)
  t.teardown(() => link.close())
  const endpoint = `http://127.0.0.1:${link.port}`
  const store = await storeOn(t, server, { endpoint })
  const bytes = randomBytes(24 * MiB)
  const key = randomUUID()
  await store.put(key, body(bytes), { size: bytes.length })
  const sink = (onWrite = () => {}) => {
    return new Writable({
      write(_chunk, _encoding, callback) {
        onWrite()
        callback()
      }
    })
  }
  link.set({ kind: 'cut', bytes: 5 * MiB })
  const image = await store.get(key)
  await rejects(t, image.pump?.(sink()) ?? Promise.resolve(), 'UNAVAILABLE')
  link.set({ kind: 'slow', bytesPerSecond: 2 * MiB })
  const slow = await store.get(key)
  const control = new AbortController()
  const stop = () => control.abort(new Error('seen enough'))
  await t.rejects(slow.pump?.(sink(stop), control) ?? Promise.resolve(), { message: 'seen enough' })
  link.set({ kind: 'pass' })
  await store.delete(key)
})

t.test('a pump whose server stands still fails, one whose receiver does waits', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const half = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${8 * MiB}\r\n\r\n`)
      socket.write(Buffer.alloc(4 * MiB))
    })
    t.teardown(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(half, 'listening')
  t.teardown(() => half.close())
  const address = half.address()
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const store = await storeOn(t, server, { endpoint, stallSeconds: 0.5 })
  let written = 0
  const to = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      written += chunk.length
      // Longer than the server may stand still.
      setTimeout(callback, written === chunk.length ? 1_500 : 0)
    }
  })
  const image = await store.get(randomUUID())
  await rejects(t, image.pump?.(to) ?? Promise.resolve(), 'UNAVAILABLE', /not answer in time/)
  t.equal(written, 4 * MiB)
})
