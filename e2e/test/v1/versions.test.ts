import t from 'tap'
import { request } from '../../src/http.ts'
import { ADMIN, identityHeaders, openStack, P1 } from '../../src/stack.ts'

const VENDOR = 'application/vnd.x7.images-v1'

t.test('versions of v1', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const status = async (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    (await stack.call(P1, method, path, { headers })).status

  await t.test('V1-01: a fresh server has no images', async (t) => {
    for (const path of ['/v1/images', '/v1/images/detail', '/v1/', '/v1']) {
      const answer = await stack.json(P1, 'GET', path)
      t.equal(answer.status, 200, path)
      t.same(answer.body, { images: [] }, path)
    }
  })

  await t.test('V1-39, V1-40, V1-41: no version is 300 with the document', async (t) => {
    for (const [path, accept] of [
      ['/', undefined],
      ['/images', undefined],
      ['/', 'application/xml'],
      ['/images', '*/*']
    ] as const) {
      const answer = await stack.call(null, 'GET', path, {
        headers: accept === undefined ? {} : { accept }
      })
      t.equal(answer.status, 300, `${path} ${accept}`)
      t.match(answer.headers['content-type'], /^application\/json/)
      const { versions } = JSON.parse(answer.body.toString())
      t.same(versions.slice(-2), [
        { id: 'v1.1', status: 'SUPPORTED', links: [{ rel: 'self', href: `${stack.url}/v1/` }] },
        { id: 'v1.0', status: 'SUPPORTED', links: [{ rel: 'self', href: `${stack.url}/v1/` }] }
      ])
      t.match(versions[0].id, /^v2\./, 'newer ones first')
    }
  })

  await t.test('V1-44: GET /versions has the document', async (t) => {
    const answer = await stack.json(null, 'GET', '/versions')
    t.equal(answer.status, 200, 'as decided for v2')
    t.ok(answer.body.versions.some((version: { id: string }) => version.id === 'v1.0'))
  })

  await t.test('V1-42: the version by Accept', async (t) => {
    for (const path of ['/images', '/']) {
      const headers = { ...identityHeaders(P1), accept: VENDOR }
      const answer = await request(`${stack.url}${path}`, { headers })
      t.equal(answer.status, 200, path)
      t.same(JSON.parse(answer.body.toString()), { images: [] })
    }
    t.equal(await status('/images', { accept: 'application/vnd.openstack.images-v1.1' }), 200)
  })

  await t.test('V1-43: foreign types and versions are 300', async (t) => {
    t.equal(await status('/images', { accept: 'application/vnd.x7.compute-v1' }), 300)
    t.equal(await status('/images', { accept: 'application/vnd.x7.images-v10' }), 300)
  })

  await t.test('V1-45, V1-46: prefixes', async (t) => {
    for (const prefix of ['v1', 'v1.0', 'v1.1']) t.equal(await status(`/${prefix}/images`), 200)
    for (const prefix of ['v1.a', 'v1.2', 'v10']) t.equal(await status(`/${prefix}/images`), 300)
  })

  await t.test('paths and methods that v1 does not know', async (t) => {
    for (const path of [
      ...['versions', 'images/', 'images.json', 'images/detail.xml', 'foo', 'images/x/members.json']
    ])
      t.equal(await status(`/v1/${path}`), 404, path)
    const detail = await stack.call(P1, 'HEAD', '/v1/images/detail')
    t.equal(detail.status, 405)
    t.equal(detail.headers.allow, 'GET')
    t.equal((await stack.call(P1, 'PUT', '/v1/images/detail')).headers.allow, 'GET, HEAD')
    for (const method of ['OPTIONS', 'BREW'])
      t.equal(await status('/v1/foo', {}, method).catch(() => 501), 501, method)
  })

  await t.test('errors are plain text, or what is asked for by name', async (t) => {
    const error = async (accept: string) => {
      const path = '/v1/images?size_min=%3Ci%3E'
      const { status, headers, body } = await stack.call(P1, 'GET', path, { headers: { accept } })
      t.equal(status, 400)
      return { type: String(headers['content-type']), text: body.toString() }
    }
    const plain = await error('*/*')
    t.match(plain.type, /^text\/plain/)
    t.match(plain.text, '400 Bad Request\n\n')
    t.match(plain.text, 'filter size_min got <i>')
    const page = await error('text/html')
    t.match(page.type, /^text\/html/)
    t.match(page.text, 'filter size_min got &lt;i&gt;')
    const json = await error('application/json')
    t.match(JSON.parse(json.text), {
      code: 400,
      title: 'Bad Request',
      message: /filter size_min got <i>/
    })
  })

  await t.test('no identity: 401', async (t) => {
    const answer = await stack.call(null, 'GET', '/v1/images')
    t.equal(answer.status, 401)
    t.ok(answer.headers['www-authenticate'])
  })

  await t.test('S-38: 64 KiB and 300 headers on v1 alone', async (t) => {
    const long = { 'x-long': 'x'.repeat(40_000) }
    const many = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`x-${n}`, 'v']))
    for (const headers of [long, many]) {
      t.equal(await status('/v1/images', headers), 200)
      t.equal(await status('/images', { ...headers, accept: VENDOR }), 200)
      t.equal(await status('/v2/images', headers), 431)
    }
    t.equal(await status('/v1/images', { 'x-long': 'x'.repeat(70_000) }), 431)
    const more = Object.fromEntries(Array.from({ length: 301 }, (_, n) => [`x-${n}`, 'v']))
    t.equal(await status('/v1/images', more), 431)
  })
})

t.test('V1-47: v1 can be switched off', async (t) => {
  const stack = await openStack({ api: { apiV1: false } })
  t.teardown(() => stack.close())
  for (const path of ['/v1', '/v1/', '/v1/images', '/v1.1/images'])
    t.equal((await stack.call(ADMIN, 'GET', path)).status, 300, path)
  const { body } = await stack.json(null, 'GET', '/versions')
  t.notOk(body.versions.some((version: { id: string }) => version.id.startsWith('v1')))
})
