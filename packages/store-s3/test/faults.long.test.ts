import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { noRealServer, openReal, type TestServer } from './servers.ts'
import { openStorm } from './storm.ts'
import {
  body,
  bytesOf,
  fakeFor,
  onEach,
  openMute,
  PART,
  read,
  rejects,
  storeOn
} from './surroundings.ts'

t.setTimeout(120_000)

t.test('what servers say, in the terms of a store', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server)
  const said = [
    ['QuotaExceeded', 'FULL', /used up/],
    ['PermanentRedirect', 'DENIED', /correct `region`/],
    ['AuthorizationHeaderMalformed', 'DENIED', /correct `region`/],
    ['RequestTimeTooSkewed', 'DENIED', /set the clock/],
    ['ExpiredToken', 'DENIED', /get new temporary credentials/],
    ['NotImplemented', 'UNSUPPORTED', /set `exclusive: false`/],
    ['EntityTooLarge', 'TOO_LARGE', /no image of this size/],
    ['InvalidObjectState', 'UNAVAILABLE', /restored first/],
    ['SomethingNew', 'FAILED', /SomethingNew 400/]
  ] as const
  for (const [code, meaning, sentence] of said) {
    server.fake.whim = ({ method }) => (method === 'PUT' ? code : undefined)
    const key = randomUUID()
    await rejects(t, store.put(key, body(bytesOf(10))), meaning, sentence)
    // With several parts under way, nothing of the others stays.
    server.fake.whim = ({ url }) => (url?.includes('partNumber=2') ? code : undefined)
    await rejects(t, store.put(key, body(bytesOf(4 * PART))), meaning, sentence)
    server.fake.whim = () => undefined
    t.strictSame(await server.leftovers(), [], code)
  }
})

t.test('a clock that is wrong by an hour does no harm', async (t) => {
  const now = Date.now
  t.teardown(() => {
    Date.now = now
  })
  const servers: TestServer[] = [await fakeFor(t)]
  if (noRealServer === undefined) servers.push(openReal())
  for (const server of servers) {
    const store = await storeOn(t, server)
    const key = randomUUID()
    Date.now = () => now() + 3600_000
    await store.put(key, body(bytesOf(10)))
    t.equal((await read(store, key)).length, 10)
    Date.now = now
    await store.delete(key)
  }
})

t.test('answers that are lost do no harm', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server)
  const lose = (method: string, part: RegExp) => {
    let lost = false
    server.fake.whim = (request) => {
      if (lost || request.method !== method || !part.test(request.url ?? '')) return undefined
      lost = true
      return 'LOST'
    }
    return () => lost
  }
  for (const [name, method, part, size] of [
    ['put', 'PUT', /./, 10],
    ['begin', 'POST', /uploads/, 2 * PART],
    ['part', 'PUT', /partNumber=2/, 2 * PART],
    ['complete', 'POST', /uploadId/, 2 * PART],
    ['delete', 'DELETE', /./, 10]
  ] as const) {
    const wasLost = lose(method, part)
    const key = randomUUID()
    const bytes = bytesOf(size)
    t.strictSame(await store.put(key, body(bytes)), { size }, name)
    t.ok(bytes.equals(await read(store, key)), name)
    await rejects(t, store.put(key, body(bytesOf(1))), 'EXISTS')
    await store.delete(key)
    t.ok(wasLost(), `${name}: an answer was lost`)
    t.strictSame(await server.leftovers(), [], name)
  }
})

t.test('an abort of the request that publishes leaves nothing', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server)
  for (const size of [10, 2 * PART]) {
    const control = new AbortController()
    const reason = new Error('too late')
    // The request is there; its answer will be "stored".
    server.fake.whim = ({ method, url }) => {
      if (method === (size === 10 ? 'PUT' : 'POST') && !url?.includes('uploads'))
        control.abort(reason)
      return undefined
    }
    const key = randomUUID()
    await t.rejects(store.put(key, body(bytesOf(size)), { signal: control.signal }), reason)
    t.strictSame(await server.leftovers(), [])
  }
})

t.test('a server that ignores conditions, and one that does not know them', async (t) => {
  const server = await fakeFor(t)
  const lines: string[] = []
  const log = { warn: (fields: unknown, text?: string) => lines.push(String(text ?? fields)) }
  server.fake.ignoresConditions = true
  const trusting = await storeOn(t, server, {}, log)
  await trusting.check()
  await trusting.check()
  t.equal(lines.length, 1)
  t.match(lines[0], /set exclusive: false/)
  // What can be found out without conditions is found out.
  const key = randomUUID()
  await trusting.put(key, body(bytesOf(2 * PART)))
  await rejects(t, trusting.put(key, body(bytesOf(2 * PART))), 'EXISTS')
  server.fake.whim = ({ headers }) => (headers['if-none-match'] ? 'NotImplemented' : undefined)
  const strict = await storeOn(t, server)
  await rejects(t, strict.check(), 'UNSUPPORTED', /set `exclusive: false`/)
  const modest = await storeOn(t, server, { exclusive: false })
  t.equal(modest.features.exclusive, false)
  await modest.check()
  await modest.put(randomUUID(), body(bytesOf(2 * PART)))
})

t.test('a check writes at first, and then only looks', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server)
  await store.check()
  t.ok(server.fake.log.includes('PUT'))
  t.strictSame(await server.leftovers(), [])
  server.fake.log.length = 0
  await store.check()
  t.strictSame(server.fake.log, ['GET list-type'])
})

t.test('every wait has an end', async (t) => {
  const server = await fakeFor(t)
  const soon = { maxAttempts: 1, retrySeconds: 0.2, answerSeconds: 0.3, stallSeconds: 0.3 }
  const mute = await storeOn(t, server, { ...soon, endpoint: await openMute(t, () => {}) })
  await rejects(t, mute.stat(randomUUID()), 'UNAVAILABLE', /not answer in time/)
  await rejects(t, mute.get(randomUUID()), 'UNAVAILABLE', /not answer in time/)
  await rejects(t, mute.put(randomUUID(), body(bytesOf(100))), 'UNAVAILABLE')
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n'
  const stalling = await storeOn(t, server, {
    ...soon,
    endpoint: await openMute(t, (socket) => socket.write(`${head}${'x'.repeat(1000)}`))
  })
  const image = await stalling.get(randomUUID())
  t.equal(image.size, 1_000_000)
  const failed = once(image.body, 'error')
  image.body.resume()
  t.match((await failed)[0], { code: 'UNAVAILABLE', message: /not answer in time/ })
  const short = await storeOn(t, server, {
    ...soon,
    endpoint: await openMute(t, (socket) => socket.end(`${head}abc`))
  })
  await t.rejects(read(short, randomUUID()), { code: 'UNAVAILABLE' })
})

t.test('a reader who takes his time is no stalled transfer', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server, { stallSeconds: 0.5 })
  const bytes = bytesOf(64 * 1024 ** 2)
  const key = randomUUID()
  await store.put(key, body(bytes))
  const { body: slow } = await store.get(key)
  let seen = 0
  for await (const chunk of slow) {
    if (seen === 0) await new Promise((resolve) => setTimeout(resolve, 2_000))
    seen += chunk.length
  }
  t.equal(seen, bytes.length)
})

t.test('a sender who takes his time is no stalled transfer', async (t) => {
  const server = await fakeFor(t)
  const store = await storeOn(t, server, { stallSeconds: 0.5, answerSeconds: 0.5 })
  const source = new PassThrough()
  const put = store.put(randomUUID(), source)
  source.write(bytesOf(PART + 1))
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  source.end(bytesOf(10))
  t.strictSame(await put, { size: PART + 11 })
})

onEach('five of six requests are refused, and everything succeeds', async (t, server) => {
  const storm = await openStorm(server.port, 6)
  t.teardown(() => storm.close())
  const endpoint = `http://127.0.0.1:${storm.port}`
  const store = await storeOn(t, server, { endpoint, retrySeconds: 60 })
  const bytes = bytesOf(PART + 77)
  const key = randomUUID()
  await store.put(key, body(bytes), { size: bytes.length })
  t.strictSame(await store.stat(key), { size: bytes.length })
  t.ok(bytes.equals(await read(store, key)))
  await store.delete(key)
  t.ok(storm.refused > 4 * storm.passed, `${storm.refused} refused, ${storm.passed} passed`)
  t.strictSame(await server.leftovers(), [])
})
