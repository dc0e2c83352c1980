import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openFake } from './servers.ts'
import { body, bytesOf, MiB, onEach, PART, read, rejects, storeOn } from './surroundings.ts'

t.setTimeout(300_000)

onEach('every size around the size of a part comes back', async (t, server) => {
  const store = await storeOn(t, server)
  const sizes = [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1]
  for (const size of sizes) {
    for (const declared of [true, false]) {
      const key = randomUUID()
      const bytes = bytesOf(size)
      t.strictSame(await store.put(key, body(bytes), declared ? { size } : {}), { size })
      t.strictSame(await store.stat(key), { size })
      t.ok(bytes.equals(await read(store, key)), `${size}, ${declared ? 'declared' : 'unknown'}`)
      await store.delete(key)
    }
  }
  t.strictSame(await server.leftovers(), [])
})

t.test('an image up to the size of a part is one request', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const store = await storeOn(t, server)
  for (const size of [0, 1, PART]) {
    for (const options of [{}, { size }]) {
      server.fake.log.length = 0
      await store.put(randomUUID(), body(bytesOf(size)), options)
      t.strictSame(server.fake.log, ['PUT'], `${size} bytes`)
    }
  }
  server.fake.log.length = 0
  await store.put(randomUUID(), body(bytesOf(PART + 1)))
  t.equal(server.fake.log.filter((each) => each === 'PUT uploadId').length, 2)
})

t.test('no more parts are on their way than allowed', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  for (const concurrency of [1, 3]) {
    server.fake.peak = 0
    const store = await storeOn(t, server, { concurrency })
    await store.put(randomUUID(), body(bytesOf(8 * PART)))
    t.equal(server.fake.peak, concurrency)
  }
})

onEach('aborted uploads leave no parts', async (t, server) => {
  const store = await storeOn(t, server, { concurrency: 4 })
  const bytes = bytesOf(6 * PART)
  for (const ms of [0, 20, 60, 120, 200, 300]) {
    const key = randomUUID()
    const control = new AbortController()
    const reason = new Error('enough')
    const source = new PassThrough()
    source.on('error', () => {})
    source.write(bytes)
    const put = store.put(key, source, { signal: control.signal, size: 7 * PART })
    await sleep(ms)
    control.abort(reason)
    await t.rejects(put, reason)
    t.ok(source.destroyed)
    t.strictSame(await server.leftovers(), [], `after ${ms} ms`)
  }
})

onEach('a server copies in parts above the limit', async (t, server) => {
  const store = await storeOn(t, server, { copyPartSize: PART, partSize: 8 * MiB })
  for (const size of [0, PART, PART + 1, 3 * PART + 5]) {
    const [from, to] = [randomUUID(), randomUUID()]
    const bytes = bytesOf(size)
    await store.put(from, body(bytes), { size })
    t.strictSame(await store.copy(from, to), { size })
    await rejects(t, store.copy(from, to), 'EXISTS')
    await store.delete(from)
    t.ok(bytes.equals(await read(store, to)))
    await store.delete(to)
  }
  await rejects(t, store.copy(randomUUID(), randomUUID()), 'NOT_FOUND')
  t.strictSame(await server.leftovers(), [])
})

onEach('list has what is complete, what is not, and nothing of others', async (t, server) => {
  const store = await storeOn(t, server)
  const whole = Array.from({ length: 7 }, () => randomUUID())
  for (const [index, key] of whole.entries()) await store.put(key, body(bytesOf(index)))
  for (const name of ['.probe-x', 'UPPER', 'sub/1b9d6bcd', 'a.b']) {
    await server.seed(`${server.options.prefix}${name}`, bytesOf(3))
  }
  // A put that stands still, with two parts stored.
  const half = randomUUID()
  const source = new PassThrough()
  source.on('error', () => {})
  source.write(bytesOf(2 * PART + 1))
  const control = new AbortController()
  const put = store.put(half, source, { signal: control.signal })
  const entry = await eventually(async () => {
    const found = (await all(store.list())).get(half)
    return found?.size === 2 * PART ? found : undefined
  })
  t.equal(entry.complete, false)
  t.ok((entry.modified?.getTime() ?? 0) > Date.now() - 3600_000)
  const found = await all(store.list())
  t.strictSame([...found.keys()].toSorted(), [...whole, half].toSorted())
  for (const [index, key] of whole.entries()) {
    t.equal(found.get(key)?.size, index)
    t.equal(found.get(key)?.complete, true)
  }
  // Another writer of the key, which is then there and still being written.
  const other = await storeOn(t, server)
  await other.put(half, body(bytesOf(10)))
  const both = (await all(store.list())).get(half)
  t.equal(both?.complete, true)
  t.equal(both?.size, 2 * PART + 10)
  control.abort()
  await t.rejects(put)
  t.equal((await read(store, half)).length, 10, 'what another put stored is not taken away')
})

async function all(entries: ReturnType<Awaited<ReturnType<typeof storeOn>>['list']>) {
  const found = new Map<string, { size: number; modified: Date | undefined; complete: boolean }>()
  for await (const entry of entries) {
    if (found.has(entry.key)) throw new Error(`${entry.key} is listed twice`)
    found.set(entry.key, entry)
  }
  return found
}

async function eventually<T>(check: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 100; tries += 1) {
    const found = await check()
    if (found !== undefined) return found
    await sleep(100)
  }
  throw new Error('it never came to be')
}

onEach('S-23 strangers read nothing', async (t, server) => {
  const store = await storeOn(t, server)
  const key = randomUUID()
  await store.put(key, body(bytesOf(10)))
  const anonymous = await fetch(store.url(key))
  t.equal(anonymous.status, 403)
  const url = await store.presign(key, { seconds: 60 })
  t.equal((await fetch(url)).status, 200)
  url.searchParams.set('X-Amz-Expires', '600000')
  t.equal((await fetch(url)).status, 403, 'a signature does not cover another expiry')
  await store.delete(key)
})

t.test('url names the image as the outside does', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const { endpoint, prefix, bucket } = server.options
  const path = await storeOn(t, server)
  t.equal(path.url('abc').href, `${endpoint}/${bucket}/${prefix}abc`)
  const host = await storeOn(t, server, {
    endpoint: 'https://s3.example.org',
    forcePathStyle: false
  })
  t.equal(host.url('abc').href, `https://${bucket}.s3.example.org/${prefix}abc`)
  const { openS3Store } = await import('../src/index.ts')
  const amazon = await openS3Store({ bucket: 'images', region: 'eu-west-1' })
  t.equal(amazon.url('abc').href, 's3://images/abc')
  await amazon.close()
})

t.test('a body of unknown size ends at the limit', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const store = await storeOn(t, server, { maxSize: 2 * PART })
  const put = store.put(randomUUID(), body(bytesOf(2 * PART + 1)))
  await rejects(t, put, 'TOO_LARGE', /at most 10485760 bytes/)
  await rejects(t, store.put(randomUUID(), body(bytesOf(1)), { size: 2 * PART + 1 }), 'TOO_LARGE')
  t.strictSame(await server.leftovers(), [])
  const key = randomUUID()
  await store.put(key, body(bytesOf(2 * PART)))
})

t.test('a body that nobody reads does no harm', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const store = await storeOn(t, server)
  const key = randomUUID()
  // More than all the buffers on the way hold.
  await store.put(key, body(bytesOf(64 * MiB)))
  const { body: unread } = await store.get(key)
  // The connection goes away while nobody listens to errors.
  await server.close()
  await sleep(50)
  const failed = once(unread, 'error')
  unread.resume()
  const [error] = await failed
  t.match(error, { name: 'StoreError', code: 'UNAVAILABLE' })
  await rejects(t, store.put(randomUUID(), Readable.from(['text'])), 'FAILED')
})
