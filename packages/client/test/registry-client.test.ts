import { isTankError } from '@tank/model'
import t from 'tap'
import { MockAgent } from 'undici'
import { createRegistryClient, type RegistryClient } from '../src/index.ts'
import { reset, sendJson, sendProblem, serve } from './fake-server.ts'

const ID = '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01'
const caller = { project: 'prøject', user: 'user 1', scope: 'project', requestId: 'req-1' } as const
const admin = { project: null, user: null, scope: 'all', requestId: 'req-2' } as const
const document = {
  id: ID,
  name: 'n',
  tags: ['b', 'a'],
  colour: 'red',
  status: 'queued',
  visibility: 'shared'
}

t.test('passes documents on as bytes, with version and caller', async (t) => {
  const server = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', etag: '"17"' })
    response.end('{"id": "as it is"}')
  })
  const client = createRegistryClient({ urls: [server.url], secret: 'shh' })
  t.teardown(() => client.close())
  const image = await client.getImage(caller, 'a/b')
  t.equal(image.body.toString(), '{"id": "as it is"}')
  t.equal(image.version, '17')
  await client.getImage(admin, ID)
  await client.getImage({ ...caller, sees: ['private', 'shared'] }, ID)
  const [first, second, third] = server.requests
  t.equal(first?.url, '/v1/images/a%2Fb')
  t.match(first?.headers, {
    authorization: 'Bearer shh',
    'tank-project': 'pr%C3%B8ject',
    'tank-user': 'user%201',
    'x-openstack-request-id': 'req-1'
  })
  t.notOk(first?.headers['tank-scope'])
  t.notOk(first?.headers['tank-sees'])
  t.equal(third?.headers['tank-sees'], 'private,shared')
  t.equal(second?.headers['tank-scope'], 'all')
  t.notOk(second?.headers['tank-project'])
})

t.test('lists with the raw query and reads the marker', async (t) => {
  const server = await serve(t, (request, response) => {
    const more = request.url.includes('marker') ? {} : { 'tank-next-marker': ID }
    sendJson(response, 200, [], more)
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  t.equal((await client.listImages(caller, 'name=in:a,%22b%22')).nextMarker, ID)
  t.equal((await client.listImages(caller, `marker=${ID}`)).nextMarker, undefined)
  await client.listImages(caller, '')
  t.same(
    server.requests.map((request) => request.url),
    ['/v1/images?name=in:a,%22b%22', `/v1/images?marker=${ID}`, '/v1/images']
  )
})

t.test('speaks every route of the Registry API', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url.endsWith('/members') && request.method === 'GET') {
      return sendJson(response, 200, { members: [{ member_id: 'm' }] })
    }
    if (request.url.endsWith('/claim')) return sendJson(response, 200, { garbage: [{ id: 'g' }] })
    if (request.url.endsWith('/release')) return sendJson(response, 200, { released: 3 })
    return sendJson(response, 200, { lease_ms: 5, member_id: 'm', images: 1 }, { etag: '"2"' })
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  const facts = { size: 1, sha256: 'a', md5: null, os_hash_algo: null, os_hash_value: null }
  const blob = { ...facts, virtual_size: null, format: null }
  const placement = { id: 'p', store: 'main', key: 'k', role: 'data' } as const
  await client.createImage(caller, { id: ID, create_token: 't' })
  await client.updateImage(caller, ID, '1', { name: 'x' })
  await client.deleteImage(caller, ID)
  await client.deleteImage(caller, ID, '4')
  await client.setActive(caller, ID, true)
  await client.setActive(caller, ID, false)
  await client.getImageData(caller, ID)
  t.same(await client.listMembers(caller, ID), [{ member_id: 'm' }])
  await client.addMember(caller, ID, 'm', 128)
  await client.getMember(caller, ID, 'm/1')
  await client.setMember(caller, ID, 'm', 'accepted')
  await client.removeMember(caller, ID, 'm')
  const lease = await client.begin(caller, {
    id: 'o',
    attempt: 'a',
    kind: 'upload',
    image_id: ID,
    from: ['queued'],
    to: 'saving',
    fallback: 'queued',
    worker: 'w',
    blob_id: 'b',
    placement,
    reserve: null
  })
  t.equal(lease.lease_ms, 5)
  await client.heartbeat(caller, 'o', { attempt: 'a', progress: 1 })
  t.equal((await client.finish(caller, 'o', { attempt: 'a', status: 'active', blob })).version, '2')
  await client.abandon(caller, 'o', { attempt: 'a', reason: 'r' })
  t.equal(await client.release('host/'), 3)
  t.same(await client.claimGarbage(['main'], 10), [{ id: 'g' }])
  await client.garbageDeleted('g', 'c')
  await client.usage('p 1')
  await client.ready()
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url.replace(ID, 'I')}`),
    [
      'POST /v1/images',
      'PATCH /v1/images/I',
      'DELETE /v1/images/I',
      'DELETE /v1/images/I',
      'POST /v1/images/I/reactivate',
      'POST /v1/images/I/deactivate',
      'GET /v1/images/I/data',
      'GET /v1/images/I/members',
      'POST /v1/images/I/members',
      'GET /v1/images/I/members/m%2F1',
      'PUT /v1/images/I/members/m',
      'DELETE /v1/images/I/members/m',
      'POST /v1/operations',
      'POST /v1/operations/o/heartbeat',
      'POST /v1/operations/o/finish',
      'POST /v1/operations/o/abandon',
      'POST /v1/operations/release',
      'POST /v1/garbage/claim',
      'POST /v1/garbage/g/deleted',
      'GET /v1/usage/p%201',
      'GET /readyz'
    ]
  )
  t.equal(server.requests[1]?.headers['if-match'], '"1"')
  t.notOk(server.requests[2]?.headers['if-match'])
  t.equal(server.requests[3]?.headers['if-match'], '"4"')
  t.same(JSON.parse(String(server.requests[8]?.body)), { member: 'm', limit: 128 })
})

t.test('turns problems into errors with a code', async (t) => {
  const agent = new MockAgent()
  agent.disableNetConnect()
  const pool = agent.get('http://registry')
  const client = createRegistryClient({ urls: ['http://registry'], secret: 's', dispatcher: agent })
  const answer = (status: number, body: unknown, type = 'application/problem+json') =>
    pool
      .intercept({ path: '/v1/images/x' })
      .reply(status, typeof body === 'string' ? body : JSON.stringify(body), {
        headers: { 'content-type': type }
      })
  const error = () => client.getImage(caller, 'x').catch((failure: unknown) => failure)

  answer(404, { code: 'IMAGE_NOT_FOUND', detail: 'no image x' })
  t.match(await error(), { code: 'IMAGE_NOT_FOUND', message: 'no image x' })
  answer(409, { code: 'constructor', detail: 'odd' })
  t.match(await error(), { code: 'IMAGE_STATE', message: 'odd' })
  answer(500, '<h1>oops</h1>', 'text/html')
  t.match(await error(), { code: 'INTERNAL', message: 'the registry answered 500' })
  answer(418, '{', 'application/json')
  t.match(await error(), { code: 'INVALID_REQUEST' })
  answer(400, 'null', 'application/json')
  t.match(await error(), { code: 'INVALID_REQUEST' })
  answer(401, { code: 'UNAUTHENTICATED', detail: 'no' })
  t.match(await error(), { code: 'REGISTRY_UNAVAILABLE' }, 'its own secret, not the caller’s token')
  answer(302, '', 'text/html')
  t.match(await error(), { code: 'REGISTRY_UNAVAILABLE', message: /answers 302/ })
  pool.intercept({ path: '/v1/usage/p' }).reply(200, '<h1>Welcome</h1>')
  await t.rejects(client.usage('p'), { code: 'REGISTRY_UNAVAILABLE', message: /no JSON/ })
})

t.test('fails over in order and stays with the server that answers', async (t) => {
  const second = await serve(t, (_request, response) =>
    sendJson(response, 200, [], { etag: '"1"' })
  )
  const third = await serve(t, (_request, response) => sendJson(response, 200, []))
  const first = await serve(t, (_request, response) =>
    sendProblem(response, 503, 'SHUTTING_DOWN', 'later')
  )
  const gone = 'http://127.0.0.1:1'
  const urls = [gone, first.url, second.url, third.url]
  const client = createRegistryClient({ urls, secret: 's' })
  t.teardown(() => client.close())
  await client.getImage(caller, ID)
  await client.getImage(caller, ID)
  t.equal(first.requests.length, 1)
  t.equal(second.requests.length, 2, 'the next call goes there at once')
  t.equal(third.requests.length, 0)
  await second.close()
  await client.getImage(caller, ID)
  t.equal(first.requests.length, 2, 'the others are tried in their order')
  t.equal(third.requests.length, 1)
})

t.test('says so when no registry answers', async (t) => {
  const urls = ['http://127.0.0.1:1', 'unix:/nowhere/registry.sock']
  const client = createRegistryClient({ urls, secret: 's' })
  const error = await client.ready().catch((failure: unknown) => failure)
  t.ok(isTankError(error, 'REGISTRY_UNAVAILABLE'))
  t.match(error, {
    message: /127\.0\.0\.1:1.*; .*registry\.sock/,
    cause: { errors: { length: 2 } }
  })
  await client.close()
  t.throws(() => createRegistryClient({ urls: [], secret: 's' }))
  t.throws(() => createRegistryClient({ urls: ['ftp://x'], secret: 's' }))
  t.throws(() => createRegistryClient({ urls: ['nothing'], secret: 's' }))
  t.throws(() => createRegistryClient({ urls: ['unix:relative'], secret: 's' }))
})

t.test('works over a Unix socket', async (t) => {
  const path = `${t.testdir()}/r.sock`
  const server = await serve(t, (_request, response) => sendJson(response, 200, []), path)
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  await client.ready()
  t.equal(server.requests[0]?.url, '/readyz')
})

t.test('sends a call again when a kept connection was closed', async (t) => {
  const server = await serve(t, (_request, response, count) =>
    count === 1 ? reset(response) : sendJson(response, 200, [])
  )
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  await client.listImages(caller, '')
  t.equal(server.requests.length, 2)
})

t.test('a server that hangs is left after the timeout', async (t) => {
  const hanging = await serve(t, () => undefined)
  const good = await serve(t, (_request, response) => sendJson(response, 200, []))
  const client = createRegistryClient({
    urls: [hanging.url, good.url],
    secret: 's',
    timeoutMs: 100
  })
  await client.ready()
  t.equal(hanging.requests.length, 1)
  t.equal(good.requests.length, 1)
  const alone = createRegistryClient({ urls: [hanging.url], secret: 's', timeoutMs: 100 })
  await t.rejects(alone.ready(), { code: 'REGISTRY_UNAVAILABLE', message: /within 100 ms/ })
  await Promise.all([client.close(), alone.close()])
})

t.test('a body that stalls runs into the timeout as well', async (t) => {
  const server = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 10 })
    response.write('12345')
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's', timeoutMs: 100 })
  await t.rejects(client.getImage(caller, ID), { code: 'REGISTRY_UNAVAILABLE' })
  await client.close()
})

t.test('rejects with the reason of the signal', async (t) => {
  const server = await serve(t, () => undefined)
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  const reason = new Error('the client went away')
  await t.rejects(client.ready({ signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const call = client.ready({ signal: controller.signal })
  setTimeout(() => controller.abort(reason), 50)
  await t.rejects(call, reason)
  await client.close()
  await t.rejects(client.ready(), { code: 'REGISTRY_UNAVAILABLE' }, 'closed')
})

t.test('what was carried out before its answer was lost counts as done', async (t) => {
  const server = await serve(t, (request, response, count) => {
    if (count === 1) return reset(response)
    if (request.method === 'PATCH') return sendProblem(response, 412, 'VERSION_CONFLICT', 'moved')
    if (request.method === 'POST') return sendProblem(response, 409, 'MEMBER_EXISTS', 'there')
    if (request.method === 'DELETE') return sendProblem(response, 404, 'IMAGE_NOT_FOUND', 'gone')
    if (request.url.includes('members')) {
      return sendJson(response, 200, { member_id: 'm', status: 'pending' })
    }
    return sendJson(response, 200, document, { etag: '"8"' })
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  const afresh = () => server.requests.splice(0)

  const wish = { name: 'n', tags: ['a', 'b'], properties: { colour: 'red' } }
  t.equal((await client.updateImage(caller, ID, '7', wish)).version, '8')
  afresh()
  const other = { ...wish, properties: { colour: 'blue' } }
  await t.rejects(client.updateImage(caller, ID, '7', other), { code: 'VERSION_CONFLICT' })
  afresh()
  await t.rejects(client.updateImage(caller, ID, '7', { tags: ['a'] }), {
    code: 'VERSION_CONFLICT'
  })
  afresh()
  await client.deleteImage(caller, ID)
  afresh()
  await client.removeMember(caller, ID, 'm')
  afresh()
  const refused = { code: 'MEMBER_EXISTS' }
  await t.rejects(client.garbageDeleted('g', 'c'), refused, 'another status stays an error')
  afresh()
  t.equal((await client.addMember(caller, ID, 'm', null)).status, 'pending')
  await t.rejects(client.deleteImage(caller, ID), { code: 'IMAGE_NOT_FOUND' }, 'not repeated')
  await t.rejects(client.updateImage(caller, ID, '7', wish), { code: 'VERSION_CONFLICT' })
})

t.test('what was carried out before a 503 counts as done', async (t) => {
  const first = await serve(t, (_request, response) =>
    sendProblem(response, 503, 'REGISTRY_UNAVAILABLE', 'The registry cannot reach its database.')
  )
  const second = await serve(t, (request, response) => {
    if (request.method === 'PATCH') return sendProblem(response, 412, 'VERSION_CONFLICT', 'moved')
    if (request.method === 'DELETE') return sendProblem(response, 404, 'IMAGE_NOT_FOUND', 'gone')
    return sendJson(response, 200, document, { etag: '"8"' })
  })
  const call = async <T>(send: (client: RegistryClient) => Promise<T>): Promise<T> => {
    const client = createRegistryClient({ urls: [first.url, second.url], secret: 's' })
    t.teardown(() => client.close())
    return await send(client)
  }
  await call((client) => client.deleteImage(caller, ID))
  const updated = await call((client) => client.updateImage(caller, ID, '7', { name: 'n' }))
  t.equal(updated.version, '8')
  t.equal(first.requests.length, 2)
})

t.test('a query that no request can carry is the caller’s mistake', async (t) => {
  const client = createRegistryClient({ urls: ['http://127.0.0.1:1'], secret: 's' })
  await t.rejects(client.listImages(caller, 'name=a b'), { code: 'INVALID_REQUEST' })
  await client.close()
})

t.test('speaks the routes of background work', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url.endsWith('/claim')) return sendJson(response, 200, { job: { id: 'j' } })
    if (request.url.includes('/tasks')) return sendJson(response, 200, { tasks: [{ id: 't' }] })
    response.writeHead(204).end()
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  const attempt = 'a'
  await client.enqueue(caller, {
    id: 'o',
    kind: 'copy',
    image_id: ID,
    from: ['active'],
    to: null,
    fallback: 'active',
    stores: ['b'],
    must_succeed: true,
    input: {},
    location: null
  })
  const job = await client.claim({ worker: 'w', attempt, kinds: ['copy'], stores: ['b'] })
  t.same(job, { id: 'j' })
  const placement = { id: 'p', store: 'b', key: 'k', role: 'data' } as const
  await client.beginTarget(caller, 'o/1', { attempt, placement })
  const facts = { size: 1, sha256: 'a', md5: null, os_hash_algo: null, os_hash_value: null }
  const blob = { ...facts, virtual_size: null, format: null }
  await client.targetStored(caller, 'o', { attempt, placement_id: 'p', blob })
  await client.targetFailed(caller, 'o', { attempt, store: 'b', reason: 'r' })
  const known = { size: 1, os_hash_algo: null, os_hash_value: null }
  await client.activate(caller, 'o', { attempt, ...known })
  await client.complete(caller, 'o', { attempt })
  t.same(await client.listImageTasks(caller, ID), [{ id: 't' }])
  await client.listTasks(caller, 'limit=2')
  await client.getTask(caller, 't/1')
  await client.removeFromStore(caller, ID, 's/1')
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url.replace(ID, 'I')}`),
    [
      'POST /v1/operations/enqueue',
      'POST /v1/operations/claim',
      'POST /v1/operations/o%2F1/placements',
      'POST /v1/operations/o/placements/stored',
      'POST /v1/operations/o/placements/failed',
      'POST /v1/operations/o/activate',
      'POST /v1/operations/o/complete',
      'GET /v1/images/I/tasks',
      'GET /v1/tasks?limit=2',
      'GET /v1/tasks/t%2F1',
      'DELETE /v1/images/I/stores/s%2F1'
    ]
  )
  t.equal(server.requests[1]?.headers['tank-scope'], 'all')
  t.same(JSON.parse(String(server.requests[6]?.body)), { attempt })
})

t.test('a removal whose answer was lost has happened', async (t) => {
  let left = ['main']
  const server = await serve(t, (request, response) => {
    if (request.method === 'GET') {
      return sendJson(response, 200, { placements: left.map((store) => ({ store })) })
    }
    if (server.requests.filter(({ method }) => method === 'DELETE').length % 2 === 1) {
      return reset(response)
    }
    return sendProblem(response, 403, 'FORBIDDEN', 'the only store')
  })
  const client = createRegistryClient({ urls: [server.url, server.url], secret: 's' })
  t.teardown(() => client.close())
  await client.removeFromStore(caller, ID, 'b')
  left = ['b']
  const error = await client.removeFromStore(caller, ID, 'b').catch((e: unknown) => e)
  t.ok(isTankError(error, 'FORBIDDEN'), 'it is still there')
})

t.test('a restoration whose answer was lost has happened', async (t) => {
  let found = true
  const server = await serve(t, (request, response, count) => {
    if (count === 1) return reset(response)
    if (request.method === 'POST') return sendProblem(response, 409, 'IMAGE_STATE', 'no')
    if (found) return sendJson(response, 200, document, { etag: '"8"' })
    return sendProblem(response, 404, 'IMAGE_NOT_FOUND', 'gone')
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  await client.restoreImage(ID)
  await t.rejects(client.restoreImage(ID), { code: 'IMAGE_STATE' }, 'its first answer')
  found = false
  server.requests.splice(0)
  await t.rejects(client.restoreImage(ID), { code: 'IMAGE_STATE' }, 'it has gone for good')
})

t.test('locations that were set with an answer that was lost are set', async (t) => {
  const placement = { id: 'new', store: 'web', key: 'http://a.test/', role: 'external' } as const
  let placements: object[] = [placement]
  const server = await serve(t, (request, response) => {
    if (request.url?.endsWith('/data')) return sendJson(response, 200, { placements })
    if (request.method === 'GET') return sendJson(response, 200, { id: ID }, { etag: '"8"' })
    if (server.requests.filter(({ method }) => method === 'PATCH').length % 2 === 1) {
      return reset(response)
    }
    return sendProblem(response, 412, 'VERSION_CONFLICT', 'it has changed')
  })
  const client = createRegistryClient({ urls: [server.url, server.url], secret: 's' })
  t.teardown(() => client.close())
  const locations = { add: [placement], remove: ['old'], describe: [], data: null }
  await client.updateImage(caller, ID, '"7"', { locations })
  for (const others of [[], [placement, { id: 'old' }]]) {
    placements = others
    const error = await client
      .updateImage(caller, ID, '"7"', { locations })
      .catch((e: unknown) => e)
    t.ok(isTankError(error, 'VERSION_CONFLICT'), 'it is another change')
  }
})
