import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer as createTcpServer } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import {
  classicName,
  LegacyClient,
  type LegacyClientOptions,
  type LegacyData
} from '../src/index.ts'
import { breakOff, type FakeServer, reset, sendJson, serve, urlOf } from './fake-server.ts'
import { serveV1 } from './fake-v1.ts'

const FORMATS = { disk_format: 'raw', container_format: 'bare' }
const quick = { retryDelayMs: 5, timeoutMs: 5_000 }

function clientOf(t: Test, server: Pick<FakeServer, 'url'>, options: LegacyClientOptions = {}) {
  const { hostname, port } = new URL(server.url)
  const client = new LegacyClient({ host: hostname, port: Number(port), ...quick, ...options })
  t.teardown(() => client.close())
  return client
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  return undefined
}

t.test('the classic client makes, shows, lists, changes and deletes images', async (t) => {
  const server = await serveV1(t)
  const client = clientOf(t, server, { authTok: 'tok' })
  const made = await client.addImage(
    {
      name: 'größer',
      is_public: true,
      min_ram: 512,
      owner: null,
      properties: { os: 'débian', no: null },
      ...FORMATS
    },
    'the bytes'
  )
  t.match(made, {
    name: 'größer',
    status: 'active',
    size: 9,
    is_public: true,
    properties: { os: 'débian' }
  })
  const meta = await client.getImageMeta(made.id)
  t.match(meta, { id: made.id, name: 'größer', size: 9, min_ram: 512, is_public: true })
  t.match(meta, { protected: undefined, deleted: false, properties: { os: 'débian' } })
  t.notOk('owner' in meta, 'a header that is missing is a key that is missing')
  const [shown, data] = await client.getImage(made.id)
  t.same(shown, meta)
  t.equal(String(await buffer(data)), 'the bytes')
  const wanted = { filters: { name: 'größer', status: null, 'property-os': 'débian' } }
  const list = { ...wanted, marker: null, limit: 5, sort_key: 'name', sort_dir: 'asc' } as const
  t.match(await client.getImages(list), [{ id: made.id }])
  t.match(await client.getImagesDetailed(), [{ id: made.id, properties: { os: 'débian' } }])
  const query = new URL(String(server.requests.at(-2)?.url), server.url).searchParams
  t.same(Object.fromEntries(query), {
    name: 'größer',
    'property-os': 'débian',
    limit: '5',
    sort_key: 'name',
    sort_dir: 'asc'
  })
  t.equal(server.requests.at(-1)?.url, '/v1/images/detail')
  const kept = await client.updateImage(made.id, { name: 'b', properties: { x: '1' } }, null, {
    'x-tank-registry-purge-props': false
  })
  t.match(kept, { name: 'b', properties: { os: 'débian', x: '1' } })
  t.same((await client.updateImage(made.id, { properties: { y: '2' } })).properties, { y: '2' })
  t.equal(await client.deleteImage(made.id), true)
  t.equal(classicName(await failure(client.deleteImage(made.id))), 'NotFound')
  for (const request of server.requests) t.equal(request.headers['x-auth-token'], 'tok')
})

async function* slowly(bytes: Buffer) {
  yield bytes.subarray(0, 3)
  await new Promise((resolve) => setTimeout(resolve, 50))
  yield bytes.subarray(3)
}

t.test('the classic client sends a length or chunks, never both', async (t) => {
  const server = await serveV1(t)
  const client = clientOf(t, server)
  const file = `${t.testdir()}/disk`
  await writeFile(file, 'the bytes')
  const bytes = Buffer.from('the bytes')
  const cases: [name: string, data: LegacyData | (() => LegacyData), length: string | undefined][] =
    [
      ['text', 'the bytes', '9'],
      ['text is counted in bytes', 'größer', '8'],
      ['buffer', bytes, '9'],
      ['empty', '', '0'],
      ['empty stream', Readable.from([]), '0'],
      ['stream of nothing', Readable.from(['', Buffer.alloc(0)]), '0'],
      ['blob', new Blob([bytes]), '9'],
      ['file', pathToFileURL(file), '9'],
      ['stream of a file', createReadStream(file), '9'],
      ['part of a file', createReadStream(file, { start: 2, end: 4 }), '3'],
      ['stream', Readable.from(slowly(bytes)), undefined],
      ['web stream', () => Readable.toWeb(Readable.from(slowly(bytes))), undefined],
      ['generator', slowly(bytes), undefined]
    ]
  for (const [name, data, length] of cases) {
    const { size } = await client.addImage(
      { name, ...FORMATS },
      typeof data === 'function' ? data() : data
    )
    const { headers = {}, body } = server.requests.at(-1) ?? {}
    t.equal(headers['content-length'], length, name)
    t.equal(headers['x-image-meta-size'], length, name)
    t.equal(headers['transfer-encoding'], length === undefined ? 'chunked' : undefined, name)
    t.equal(headers['content-type'], 'application/octet-stream')
    t.equal(size, body?.length)
  }
  const queued = await client.addImage({ name: 'later', size: 9, ...FORMATS })
  t.equal(server.requests.at(-1)?.headers['content-type'], undefined)
  t.match(await client.updateImage(queued.id, {}, 'the bytes'), { status: 'active', size: 9 })
  const again = await failure(client.updateImage(queued.id, {}, 'others'))
  t.match(again, { code: 'CONFLICT', message: 'active' })
  t.equal(classicName(again), 'Duplicate')
  const asked = server.requests.length
  await t.rejects(client.addImage({ size: 4, ...FORMATS }, 'the bytes'), { code: 'SIZE_MISMATCH' })
  await t.rejects(client.addImage({ name: 'two\r\nlines' }), { code: 'INVALID_REQUEST' })
  for (const none of ['', Readable.from([])]) {
    const update = client.updateImage(queued.id, {}, none)
    await t.rejects(update, { code: 'SOURCE_FAILED', message: /there are none/ })
  }
  const missing = createReadStream('/nowhere/disk')
  await t.rejects(client.addImage(FORMATS, missing), { code: 'SOURCE_FAILED' })
  const unread = Readable.from(slowly(bytes))
  await t.rejects(client.addImage({ name: '\n' }, unread), { code: 'INVALID_REQUEST' })
  t.ok(unread.destroyed)
  const silent = new PassThrough()
  const hasty = clientOf(t, server, { idleTimeoutMs: 100 })
  await t.rejects(hasty.addImage(FORMATS, silent), { code: 'TIMEOUT' })
  t.ok(silent.destroyed)
  await t.rejects(client.addImage(FORMATS, silent), { code: 'SOURCE_FAILED' }, 'used up')
  t.equal(server.requests.length, asked, 'none of them was sent')
  const copied = { 'X-Tank-API-Copy-From': 'http://outside.test/ä', unset: null }
  await client.addImage({ name: 'copied', ...FORMATS }, null, copied)
  const sent = server.requests.at(-1)?.headers
  t.equal(
    Buffer.from(String(sent?.['x-tank-api-copy-from']), 'latin1').toString(),
    'http://outside.test/ä'
  )
  t.notOk(sent && 'unset' in sent)
})

t.test('the classic client shares images and manages the cache', async (t) => {
  const server = await serveV1(t)
  const client = clientOf(t, server)
  const { id } = await client.addImage({ name: 'shared' })
  t.equal(await client.addMember(id, 'a b'), true)
  t.equal(server.requests.at(-1)?.body.length, 0, 'no body unless something is said')
  t.equal(await client.addMember(id, 'c', true), true)
  t.same(await client.getImageMembers(id), [
    { member_id: 'a b', can_share: false },
    { member_id: 'c', can_share: true }
  ])
  t.same(await client.getMemberImages('c'), [{ image_id: id, can_share: true }])
  t.same(await client.getMemberImages('d'), [])
  t.equal(await client.deleteMember(id, 'c'), true)
  t.equal(
    await client.replaceMembers(id, { member_id: 'e' }, { member_id: 'f', can_share: true }),
    true
  )
  t.same(JSON.parse(String(server.requests.at(-1)?.body)), {
    memberships: [{ member_id: 'e' }, { member_id: 'f', can_share: true }]
  })
  t.same(
    (await client.getImageMembers(id)).map(({ member_id }) => member_id),
    ['e', 'f']
  )
  t.equal(await client.queueImageForCaching(id), true)
  t.same(await client.getQueuedImages(), [id])
  t.equal(await client.deleteQueuedImage(id), true)
  t.equal(await client.deleteAllQueuedImages(), 0)
  t.same(await client.getCachedImages(), [])
  t.equal(await client.deleteCachedImage(id), true)
  t.equal(await client.deleteAllCachedImages(), 0)
})

t.test('the classic client asks for no other path than it was told', async (t) => {
  const server = await serveV1(t)
  const client = clientOf(t, server)
  for (const id of ['', '.', '..']) {
    const calls: readonly Promise<unknown>[] = [
      client.getImage(id),
      client.updateImage(id, {}, 'x'),
      client.deleteImage(id),
      client.deleteMember('id', id),
      client.getMemberImages(id),
      client.deleteQueuedImage(id)
    ]
    for (const error of await Promise.all(calls.map(failure))) {
      t.match(error, { code: 'INVALID_REQUEST' }, id)
    }
  }
  t.same(server.requests, [])
  await t.rejects(client.deleteMember('...', '.a'), { code: 'NOT_FOUND' })
})

t.test('V1-109 statuses map to their classes', async (t) => {
  const cases: [status: number, name: string, code: string][] = [
    [300, 'MultipleChoices', 'MULTIPLE_CHOICES'],
    [400, 'Invalid', 'INVALID_REQUEST'],
    [401, 'NotAuthenticated', 'UNAUTHENTICATED'],
    [403, 'Forbidden', 'FORBIDDEN'],
    [404, 'NotFound', 'NOT_FOUND'],
    [409, 'Duplicate', 'CONFLICT'],
    [413, 'LimitExceeded', 'TOO_LARGE'],
    [418, 'UnexpectedStatus', 'BAD_ANSWER'],
    [429, 'UnexpectedStatus', 'UNAVAILABLE'],
    [500, 'ServerError', 'INTERNAL'],
    [502, 'UnexpectedStatus', 'UNAVAILABLE'],
    [503, 'ServiceUnavailable', 'UNAVAILABLE']
  ]
  let status = 0
  const server = await serve(t, ({ method }, response) => {
    const later = status === 413 || status === 503 ? { 'retry-after': '7' } : {}
    response.writeHead(status, { 'content-type': 'text/plain', ...later })
    response.end(method === 'HEAD' ? '' : `${status} Title\n\nthe reason\n`)
  })
  const client = clientOf(t, server, { retries: 0 })
  for (const [answer, name, code] of cases) {
    status = answer
    const retryAfter = status === 413 || status === 503 ? 7 : undefined
    for (const [how, call] of Object.entries({
      list: () => client.getImages(),
      head: () => client.getImageMeta('1'),
      get: () => client.getImage('1'),
      add: () => client.addImage({}, 'x'),
      delete: () => client.deleteImage('1')
    })) {
      const error = await failure(call())
      t.equal(classicName(error), name, `${answer} ${how}`)
      t.match(error, { name: 'TankClientError', code, status, retryAfter })
      if (how !== 'head') t.match(error, { message: 'the reason' })
    }
  }
  await server.close()
  for (const call of [
    () => client.getImages(),
    () => client.getImage('1'),
    () => client.addImage({}, 'x')
  ]) {
    t.equal(classicName(await failure(call())), 'ClientConnectionError')
  }
  t.equal(classicName(new Error('any other')), undefined)
})

t.test('V1-108 answers that lead elsewhere are followed, with the query', async (t) => {
  const target = await serveV1(t)
  const elsewhere = await serve(t, ({ url }, response) =>
    response.writeHead(302, { location: `${target.url}${url}` }).end()
  )
  const plain = clientOf(t, target, { authTok: 'tok' })
  const made = await plain.addImage({ name: 'x', ...FORMATS }, 'the bytes')
  const list = { filters: { name: 'x' }, limit: 2 }
  t.match(await plain.getImages(list), [{ id: made.id }], 'without a redirect')
  t.equal(target.requests.at(-1)?.url, '/v1/images?name=x&limit=2')
  t.equal(target.requests.at(-1)?.headers['x-auth-token'], 'tok')
  const client = clientOf(t, elsewhere, { authTok: 'tok' })
  t.match(await client.getImages(list), [{ id: made.id }], 'with one')
  t.equal(target.requests.at(-1)?.url, '/v1/images?name=x&limit=2')
  t.match(await client.getImageMeta(made.id), { name: 'x' })
  const [, data] = await client.getImage(made.id)
  t.equal(String(await buffer(data)), 'the bytes')
  const added = await client.addImage({ name: 'y', ...FORMATS }, 'others')
  t.match(added, { name: 'y', status: 'active', size: 6 }, 'a method stays what it is')
  t.equal(await client.deleteImage(added.id), true)
  for (const { headers } of target.requests.slice(2)) {
    t.equal(headers['x-auth-token'], undefined, 'another host gets no token')
  }
  for (const { headers } of elsewhere.requests) t.equal(headers['x-auth-token'], 'tok')
  const before = target.requests.length
  const stream = failure(client.addImage(FORMATS, Readable.from([Buffer.from('once')])))
  t.match(await stream, { code: 'INVALID_REDIRECT', message: /cannot be sent twice/ })
  t.equal(target.requests.length, before)
})

t.test('V1-108 at most five times, and only to where it may', async (t) => {
  let lead: string | undefined
  let times = 0
  const server = await serve(t, (request, response) => {
    if (times-- <= 0) return sendJson(response, 200, { images: [] })
    if (lead === undefined) return response.writeHead(301).end()
    const location = lead === '' ? request.url.replace('&', '&&') : lead
    return response.writeHead(307, { location }).end()
  })
  const client = clientOf(t, server, { authTok: 'tok' })
  lead = ''
  times = 5
  t.same(await client.getImages({ limit: 1 }), [])
  t.equal(server.requests.length, 6)
  for (const { headers, url } of server.requests) {
    t.equal(headers['x-auth-token'], 'tok', 'the same server is told')
    t.equal(url, '/v1/images?limit=1')
  }
  times = 6
  const endless = await failure(client.getImages())
  t.equal(classicName(endless), 'MaxRedirectsExceeded')
  for (const place of [undefined, 'ftp://x.test/', 'http://:bad:']) {
    times = 1
    lead = place
    const error = await failure(client.getImages())
    t.match(error, { code: 'INVALID_REDIRECT' }, String(place))
    t.equal(classicName(error), 'InvalidRedirect')
  }
  times = 1
  lead = '/v1/images'
  await client.getImages({ limit: 3 })
  t.equal(server.requests.at(-1)?.url, '/v1/images?limit=3', 'a place that forgot the query')
})

t.test('V1-108 another host leads back to nothing in the name of the caller', async (t) => {
  const asked: [url: string, token: unknown][] = []
  const own = await serve(t, ({ method, url, headers }, response) => {
    asked.push([`${method} ${url}`, headers['x-auth-token']])
    if (url !== '/v1/images/mine') return response.writeHead(401).end()
    return response.writeHead(302, { location: other.url }).end()
  })
  const other = await serve(t, (_request, response) =>
    response.writeHead(307, { location: `${own.url}/v1/images/precious` }).end()
  )
  const client = clientOf(t, own, { authTok: 'tok' })
  t.equal(classicName(await failure(client.deleteImage('mine'))), 'NotAuthenticated')
  t.same(asked, [
    ['DELETE /v1/images/mine', 'tok'],
    ['DELETE /v1/images/precious', undefined]
  ])
})

t.test('S-25 the classic client proves what it reads', async (t) => {
  let sends: [meta: Record<string, string>, bytes: Buffer] = [{}, Buffer.alloc(0)]
  const server = await serve(t, (_request, response) => {
    const [meta, bytes] = sends
    response.writeHead(200, { 'x-image-meta-id': 'i', 'content-length': bytes.length, ...meta })
    response.end(bytes)
  })
  const client = clientOf(t, server)
  const read = async () => buffer((await client.getImage('i'))[1])
  const bytes = Buffer.from('the bytes')
  sends = [{ 'x-image-meta-checksum': 'a9bf7ce7a7a10a21d2e69e06f4b9b8c2' }, bytes]
  await t.rejects(read(), { code: 'DIGEST_MISMATCH' })
  sends = [{ 'x-image-meta-size': '12' }, bytes]
  await t.rejects(read(), { code: 'SIZE_MISMATCH' })
  sends = [{ 'x-image-meta-size': '3' }, bytes]
  await t.rejects(read(), { code: 'SIZE_MISMATCH' })
  sends = [{ 'x-image-meta-checksum': '../../etc' }, bytes]
  t.equal(String(await read()), 'the bytes', 'what is no digest is not compared')
  sends = [{ 'x-image-meta-id': '' }, bytes]
  sends = [{}, bytes]
  const bare = await serve(t, (_request, response) => response.end('<html>'))
  await t.rejects(clientOf(t, bare).getImage('i'), { code: 'BAD_ANSWER' })
  await t.rejects(clientOf(t, bare).getImages(), { code: 'BAD_ANSWER' })
})

t.test('the classic client waits for nothing for ever', async (t) => {
  const deaf = createTcpServer(() => undefined)
  deaf.listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  const sockets = new Set<{ destroy(): void }>()
  deaf.on('connection', (socket) => sockets.add(socket))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    deaf.close()
  })
  const impatient = { retries: 0, timeoutMs: 300, idleTimeoutMs: 300, answerTimeoutMs: 300 }
  const client = clientOf(t, { url: urlOf(deaf.address()) }, impatient)
  const timeout = { code: 'TIMEOUT' }
  await t.rejects(client.getImages(), timeout)
  await t.rejects(client.getImage('i'), timeout)
  await t.rejects(client.addImage({}, 'x'), timeout)
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await t.rejects(client.getImages({}, { signal }), reason)
  await t.rejects(client.getImage('i', { signal }), reason)
  await t.rejects(client.addImage({}, 'x', null, { signal }), reason)
  await t.rejects(client.replaceMembers('i', [{ member_id: 'e' }], { signal }), reason)

  const stalls = await serve(t, (_request, response) => {
    response.writeHead(200, { 'x-image-meta-id': 'i', 'content-length': 10 }).write('abc')
  })
  const patient = clientOf(t, stalls, impatient)
  const [, silent] = await patient.getImage('i')
  await t.rejects(buffer(silent), timeout, 'a body that stalls')
  const controller = new AbortController()
  const [, aborted] = await patient.getImage('i', { signal: controller.signal })
  setTimeout(() => controller.abort(reason), 20)
  await t.rejects(buffer(aborted), reason)
  const cut = await serve(t, (_request, response) => {
    response.writeHead(200, { 'x-image-meta-id': 'i', 'content-length': 10 }).write('abc')
    setTimeout(() => reset(response), 20)
  })
  const [, broken] = await clientOf(t, cut).getImage('i')
  await t.rejects(buffer(broken), { code: 'CONNECTION_CLOSED' }, 'a connection that breaks')
})

t.test('V1-109 an image without an id is not made twice', async (t) => {
  let status = 503
  const server = await serve(t, (_request, response, count) =>
    sendJson(response, count === 1 ? status : 201, { image: { id: 'i' } })
  )
  const client = clientOf(t, server)
  const sent = async (make: () => Promise<unknown>) => {
    server.requests.length = 0
    await make().catch((error: unknown) => t.match(error, { status }))
    return server.requests.length
  }
  t.equal(await sent(() => client.addImage({ name: 'x' })), 1)
  t.equal(await sent(() => client.addImage({ name: 'x' }, 'bytes')), 1)
  t.equal(await sent(() => client.addImage({ id: 'i' }, 'bytes')), 2, 'by its id it is told')
  t.equal(await sent(() => client.updateImage('i', {}, 'bytes')), 2)
  status = 429
  t.equal(await sent(() => client.addImage({ name: 'x' }, 'bytes')), 2, 'refused for certain')
  t.equal(await sent(() => client.addImage({ name: 'x' })), 2)
})

t.test('bytes that nobody reads do not keep the classic client open', async (t) => {
  const bytes = Buffer.alloc(1024 * 1024, 'x')
  const server = await serve(t, (_request, response) =>
    response.writeHead(200, { 'x-image-meta-id': 'i', 'content-length': bytes.length }).end(bytes)
  )
  const client = clientOf(t, server)
  await client.getImage('i')
  const [, data] = await client.getImage('i')
  const first = await data.next()
  const closed = client.close().then(() => 'closed')
  const rest = await buffer(data)
  t.equal(Number(first.value?.length) + rest.length, bytes.length, 'who has begun reads on')
  t.equal(await Promise.race([closed, sleep(5_000, 'open', { ref: false })]), 'closed')
})

t.test('bytes that are read no further do not keep it open for ever', async (t) => {
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'x')
  const server = await serve(t, (_request, response) =>
    response.writeHead(200, { 'x-image-meta-id': 'i', 'content-length': bytes.length }).end(bytes)
  )
  const client = clientOf(t, server, { idleTimeoutMs: 200 })
  const [, data] = await client.getImage('i')
  await data.next()
  const closed = client.close().then(() => 'closed')
  t.equal(await Promise.race([closed, sleep(10_000, 'open', { ref: false })]), 'closed')
  await t.rejects(buffer(data), { code: 'TIMEOUT', message: 'nothing has moved for 200 ms' })
})

t.test('the classic client reads again, and asks for a new token once', async (t) => {
  const server = await serve(t, (_request, response, count) => {
    if (count === 1) return reset(response)
    if (count === 2) return response.writeHead(429).end()
    return response.writeHead(200, { 'x-image-meta-id': 'i' }).end()
  })
  const client = clientOf(t, server)
  t.match(await client.getImageMeta('i'), { id: 'i' })
  server.requests.length = 0
  t.match(await client.getImage('i'), [{ id: 'i' }])
  const half = await serve(t, (_request, response, count) => {
    if (count === 1) return breakOff(response, 503)
    return response.writeHead(200, { 'x-image-meta-id': 'i' }).end()
  })
  t.match(await clientOf(t, half).getImage('i'), [{ id: 'i' }])
  let given = 0
  const auth = { token: async () => `t${++given}`, refuse: () => true }
  const picky = await serve(t, ({ headers }, response) => {
    const good = headers['x-auth-token'] === 't2'
    return sendJson(response, good ? 200 : 401, { image: { id: 'i' }, images: [] })
  })
  t.match(await clientOf(t, picky, { auth }).addImage({}, 'x'), { id: 'i' })
  const stuck = clientOf(t, picky, { authTok: 'old' })
  t.equal(classicName(await failure(stuck.getImages())), 'NotAuthenticated')
  given = 1
  const both = clientOf(t, picky, { authTok: 'old', auth })
  t.same(await both.getImages(), [], 'the identity service is asked when a token is refused')
})
