import t, { type Test } from 'tap'
import { createTankClient, TankClientError } from '../src/index.ts'
import { reset, sendJson, sendProblem, serve } from './fake-server.ts'

const ID = '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01'
const image = (id: string, more: object = {}) => ({ id, name: 'n', status: 'queued', ...more })
const quick = { retryDelayMs: 5, timeoutMs: 2_000 }

t.test('creates, changes and removes images', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.method === 'DELETE' || request.url.includes('/actions/')) {
      return response.writeHead(204).end()
    }
    return sendJson(response, request.method === 'POST' ? 201 : 200, image(ID))
  })
  const client = createTankClient({
    url: `${server.url}/v2/`,
    token: 'tok',
    headers: { 'x-a': '1' }
  })
  t.teardown(() => client.close())
  await client.create({ name: 'n', disk_format: 'raw', properties: { colour: 'red' } })
  await client.update(ID, {
    name: null,
    tags: ['a'],
    properties: { 'a/b~c': 'v', gone: null }
  })
  await client.show(ID)
  await client.deactivate(ID)
  await client.reactivate(ID)
  await client.delete(ID)
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url.replace(ID, 'I')}`),
    [
      'POST /v2/images',
      'PATCH /v2/images/I',
      'GET /v2/images/I',
      'POST /v2/images/I/actions/deactivate',
      'POST /v2/images/I/actions/reactivate',
      'DELETE /v2/images/I'
    ]
  )
  const [create, patch] = server.requests
  t.match(create?.headers, { 'x-auth-token': 'tok', 'x-a': '1' })
  t.match(JSON.parse(String(create?.body)), { name: 'n', disk_format: 'raw', colour: 'red' })
  t.match(JSON.parse(String(create?.body)).id, /^[0-9a-f-]{36}$/)
  t.equal(patch?.headers['content-type'], 'application/openstack-images-v2.1-json-patch')
  t.same(JSON.parse(String(patch?.body)), [
    { op: 'replace', path: '/name', value: null },
    { op: 'replace', path: '/tags', value: ['a'] },
    { op: 'add', path: '/a~1b~0c', value: 'v' },
    { op: 'remove', path: '/gone' }
  ])
})

t.test('tags and members', async (t) => {
  const member = { member_id: 'p', image_id: ID, status: 'pending' }
  const server = await serve(t, (request, response) => {
    if (request.url.includes('/tags/') || request.method === 'DELETE') {
      return response.writeHead(204).end()
    }
    const list = request.method === 'GET' && request.url.endsWith('/members')
    return sendJson(response, 200, list ? { members: [member] } : member)
  })
  const client = createTankClient({ url: server.url })
  t.teardown(() => client.close())
  await client.tags.add(ID, 'ä b?')
  await client.tags.remove(ID, 'x')
  t.same(await client.members.list(ID), [member])
  t.same(await client.members.add(ID, 'p'), member)
  t.same(await client.members.show(ID, 'p'), member)
  t.same(await client.members.setStatus(ID, 'p', 'accepted'), member)
  await client.members.remove(ID, 'p')
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url.replace(ID, 'I')}`),
    [
      'PUT /v2/images/I/tags/%C3%A4%20b%3F',
      'DELETE /v2/images/I/tags/x',
      'GET /v2/images/I/members',
      'POST /v2/images/I/members',
      'GET /v2/images/I/members/p',
      'PUT /v2/images/I/members/p',
      'DELETE /v2/images/I/members/p'
    ]
  )
})

t.test('lists page by page and asks only for what is taken', async (t) => {
  const server = await serve(t, (request, response) => {
    const marker = new URL(request.url, 'http://x').searchParams.get('marker')
    if (marker === null) {
      const next = '/v2/images?limit=2&tag=a&tag=b&marker=2'
      return sendJson(response, 200, { images: [image('1'), image('2')], next })
    }
    if (marker === '2') {
      const next = 'http://evil.example/v2/images?limit=2&marker=3'
      return sendJson(response, 200, { images: [image('3')], next })
    }
    return sendJson(response, 200, { images: [], next: '/v2/images?endless' })
  })
  const client = createTankClient({ url: `${server.url}/image` })
  t.teardown(() => client.close())
  const ids: string[] = []
  for await (const found of client.list({ tag: ['a', 'b'] }, { pageSize: 2 })) ids.push(found.id)
  t.same(ids, ['1', '2', '3'])
  t.same(
    server.requests.map((request) => request.url),
    [
      '/image/v2/images?tag=a&tag=b&limit=2',
      '/image/v2/images?limit=2&tag=a&tag=b&marker=2',
      '/image/v2/images?limit=2&marker=3'
    ],
    'links never lead elsewhere'
  )
  server.requests.length = 0
  for await (const found of client.list()) {
    t.equal(found.id, '1')
    break
  }
  t.equal(server.requests.length, 1)
})

t.test('refuses a list that runs in circles', async (t) => {
  const server = await serve(t, (_request, response) =>
    sendJson(response, 200, { images: [image('1')], next: '/v2/images?marker=1' })
  )
  const client = createTankClient({ url: server.url })
  t.teardown(() => client.close())
  const walk = async () => {
    for await (const _image of client.list()) t.ok(server.requests.length < 3)
  }
  await t.rejects(walk(), { code: 'BAD_ANSWER' })
})

t.test('finds by id and by name', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === `/v2/images/${ID}`) return sendJson(response, 200, image(ID))
    if (!request.url.startsWith('/v2/images?')) return sendJson(response, 404, {})
    const name = new URL(request.url, 'http://x').searchParams.get('name')
    const count = name === 'two' ? 2 : name === 'one' || name === 'eq:a:b' ? 1 : 0
    const images = Array.from({ length: count }, (_, index) => image(`id-${index}`))
    return sendJson(response, 200, { images })
  })
  const client = createTankClient({ url: server.url })
  t.teardown(() => client.close())
  t.equal((await client.find(ID)).id, ID)
  t.equal((await client.find('one')).id, 'id-0')
  t.equal((await client.find('a:b')).id, 'id-0')
  await t.rejects(client.find('two'), { code: 'AMBIGUOUS_NAME', message: /id-0, id-1/ })
  await t.rejects(client.find('none'), { code: 'IMAGE_NOT_FOUND' })
  await t.rejects(client.find(ID.replace('6', '7')), { code: 'IMAGE_NOT_FOUND' })
})

t.test('waits for a copy whose task it does not see', async (t) => {
  const lock = { os_glance_import_task: 'a' }
  const server = await serve(t, (request, response) => {
    if (request.url.endsWith('/tasks')) return sendJson(response, 200, { tasks: [] })
    const looks = server.requests.filter(({ url }) => url === '/v2/images/a').length
    return sendJson(response, 200, { id: 'a', status: 'active', ...(looks === 1 && lock) })
  })
  const tank = createTankClient({ url: server.url })
  t.teardown(() => tank.close())
  const image = await tank.waitFor('a', { pollMs: 1 })
  t.notOk(image.os_glance_import_task)
})

t.test('names the versions of the server', async (t) => {
  const server = await serve(t, (_request, response) =>
    sendJson(response, 300, { versions: [{ id: 'v2.17', status: 'CURRENT', links: [] }] })
  )
  const client = createTankClient({ url: server.url })
  t.teardown(() => client.close())
  t.same(await client.versions(), [{ id: 'v2.17', status: 'CURRENT' }])
})

/** A test of clients that load little, too. */
function eitherWay(name: string, run: (t: Test, light: boolean) => Promise<void>): void {
  t.test(name, (t) => run(t, false))
  t.test(`${name}, light`, (t) => run(t, true))
}

eitherWay('understands every form of error', async (t, light) => {
  const forms: [number, string, string][] = [
    [404, 'application/json', '{"error":{"code":404,"title":"Not Found","message":"no image"}}'],
    [404, 'application/json', '{"message":"no image<br /><br />","code":"404 Not Found"}'],
    [404, 'application/json', '{"itemNotFound":{"message":"no image"}}'],
    [404, 'text/plain', '404 Not Found\n\nno image\n'],
    [
      404,
      'text/html; charset=UTF-8',
      '<html><head><title>404 Not Found</title></head><body>no &#x69;mage<br /></body></html>'
    ],
    [404, 'application/problem+json', '{"code":"TAG_NOT_FOUND","detail":"no image"}']
  ]
  const server = await serve(t, (_request, response, count) => {
    const [status, type, body] = forms[count - 1] ?? [418, 'application/json', '"what"']
    response.writeHead(status, { 'content-type': type, 'x-openstack-request-id': 'req-7' })
    response.end(body)
  })
  const client = createTankClient({ light, url: server.url })
  t.teardown(() => client.close())
  for (const [status, type] of forms) {
    const error = await client.show(ID).catch((failure: unknown) => failure)
    t.ok(error instanceof TankClientError)
    const code = type.includes('problem') ? 'TAG_NOT_FOUND' : 'NOT_FOUND'
    t.match(error, { status, code, message: 'no image', requestId: 'req-7' }, type)
  }
  await t.rejects(client.show(ID), { code: 'BAD_ANSWER', status: 418, message: 'what' })
})

eitherWay('S-25 S-46 refuses answers that are none', async (t, light) => {
  const odd = [
    { id: '..' },
    { id: 'a/b' },
    { id: '' },
    { id: 'a\u001b[2J' },
    { status: 'active\n' },
    { disk_format: '../raw' },
    { container_format: 'a b' },
    { os_hash_algo: 'sha512\u0007' },
    { os_hash_value: 7 },
    { checksum: '<b>' }
  ].map((fields) => JSON.stringify(image(ID, fields)))
  const bodies = ['[]', 'nothing', '{"id":1}', ...odd]
  const server = await serve(t, (_request, response, count) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(bodies[count - 1])
  })
  const client = createTankClient({ light, url: server.url })
  t.teardown(() => client.close())
  for (const body of bodies) await t.rejects(client.show(ID), { code: 'BAD_ANSWER' }, body)
})

t.test('takes words of other services that it does not know', async (t) => {
  const unknown = {
    status: 'half-done',
    disk_format: 'raw+zstd',
    container_format: null,
    os_hash_algo: 'sha3-512',
    os_hash_value: 'ab',
    checksum: ''
  }
  const server = await serve(t, (_request, response) =>
    sendJson(response, 200, image('image_7.b', unknown))
  )
  const client = createTankClient({ url: server.url })
  t.teardown(() => client.close())
  t.match(await client.show('image_7.b'), unknown)
})

eitherWay('reads again after resets and while the server is away', async (t, light) => {
  const server = await serve(t, (_request, response, count) => {
    if (count === 1) return reset(response)
    if (count === 2) return sendProblem(response, 503, 'SHUTTING_DOWN', 'later')
    if (count === 3) return sendJson(response, 429, {}, { 'retry-after': '0' })
    return sendJson(response, 200, image(ID))
  })
  const client = createTankClient({ light, url: server.url, ...quick })
  t.teardown(() => client.close())
  t.equal((await client.show(ID)).id, ID)
  t.equal(server.requests.length, 4)
})

eitherWay('gives up in the end', async (t, light) => {
  const server = await serve(t, (_request, response) => sendJson(response, 503, {}))
  const client = createTankClient({ light, url: server.url, ...quick, retries: 2 })
  t.teardown(() => client.close())
  await t.rejects(client.show(ID), { code: 'UNAVAILABLE', status: 503 })
  t.equal(server.requests.length, 3)
  const nowhere = createTankClient({ light, url: 'http://127.0.0.1:1', ...quick })
  await t.rejects(nowhere.show(ID), { code: 'UNREACHABLE' })
  await nowhere.close()
})

eitherWay('repeats changes only where that is safe', async (t, light) => {
  const server = await serve(t, (request, response, count) => {
    if (count === 1) return reset(response)
    if (request.method === 'POST') return sendJson(response, 409, {})
    if (request.method === 'DELETE') return sendJson(response, 404, {})
    return sendJson(response, 200, image(ID, { name: 'mine' }))
  })
  const client = createTankClient({ light, url: server.url, ...quick })
  t.teardown(() => client.close())
  t.equal((await client.create({ name: 'mine' })).name, 'mine', 'the first sending made it')
  server.requests.length = 0
  await t.rejects(client.create({ id: ID }), { code: 'CONNECTION_CLOSED' })
  t.equal(server.requests.length, 1, 'an id of the caller may be taken by others')
  server.requests.length = 0
  await t.rejects(client.update(ID, { name: 'x' }), { code: 'CONNECTION_CLOSED' })
  t.equal(server.requests.length, 1)
  server.requests.length = 0
  await client.delete(ID)
  await t.rejects(client.delete(ID), { code: 'NOT_FOUND' })
})

eitherWay('a 503 does not say that nothing was done', async (t, light) => {
  for (const status of [502, 503, 504]) {
    const server = await serve(t, (request, response, count) => {
      if (count === 1) return sendJson(response, status, {})
      if (request.method === 'POST') return sendJson(response, 409, {})
      if (request.method === 'DELETE') return sendJson(response, 404, {})
      return sendJson(response, 200, image(ID, { name: 'mine' }))
    })
    const client = createTankClient({ light, url: server.url, ...quick })
    t.teardown(() => client.close())
    t.equal((await client.create({ name: 'mine' })).name, 'mine', `${status}: it is ours`)
    server.requests.length = 0
    await client.delete(ID)
    t.equal(server.requests.length, 2)
    server.requests.length = 0
    await t.rejects(client.create({ id: ID }), { code: 'UNAVAILABLE', status })
    t.equal(server.requests.length, 1, 'an id of the caller may be taken by others')
    server.requests.length = 0
    if (status === 503) t.match(await client.update(ID, { name: 'x' }), { name: 'mine' })
    else await t.rejects(client.update(ID, { name: 'x' }), { code: 'UNAVAILABLE', status })
    t.equal(server.requests.length, status === 503 ? 2 : 1)
  }
})

eitherWay('asks for a new token when the old one is refused', async (t, light) => {
  const server = await serve(t, (request, response) => {
    const good = request.headers['x-auth-token'] === 'second'
    return sendJson(response, good ? 200 : 401, good ? image(ID) : {})
  })
  let asked = 0
  const token = async () => (++asked === 1 ? 'first' : 'second')
  const client = createTankClient({ light, url: server.url, token })
  await client.show(ID)
  t.equal(asked, 2)
  const stuck = createTankClient({ light, url: server.url, token: async () => 'first' })
  await t.rejects(stuck.show(ID), { code: 'UNAUTHENTICATED' })
  const fixed = createTankClient({ light, url: server.url, token: 'first' })
  server.requests.length = 0
  await t.rejects(fixed.show(ID), { code: 'UNAUTHENTICATED' })
  t.equal(server.requests.length, 1)
  await Promise.all([client.close(), stuck.close(), fixed.close()])
})

eitherWay('obeys signals, in pauses too, and timeouts', async (t, light) => {
  const server = await serve(t, (_request, response, count) => {
    if (count === 1) sendJson(response, 503, {}, { 'retry-after': '20' })
  })
  const client = createTankClient({
    light,
    url: server.url,
    retries: 1,
    timeoutMs: 100,
    retryDelayMs: 5
  })
  t.teardown(() => client.close())
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 50)
  await t.rejects(client.show(ID, { signal: controller.signal }), reason)
  await t.rejects(client.show(ID), { code: 'TIMEOUT' })
})
