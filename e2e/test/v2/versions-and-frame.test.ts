import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { createAnswerCheck } from '../../src/answer-schemas.ts'
import { ADMIN, openStack, P1, type Stack } from '../../src/stack.ts'

const FINAL = /^HTTP\/1\.1 [2-5]\d\d /m

/** Sends a text as it is; gives what was answered by then, once `end` was. */
async function raw(stack: Stack, text: string, end = FINAL): Promise<string> {
  const { hostname, port } = new URL(stack.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ''
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(done, 20_000)
    socket.on('data', (chunk) => {
      answer += chunk
      if (end.test(answer)) done()
    })
    socket.on('close', done)
    socket.on('error', reject)
  })
}

t.test('versions and the HTTP frame', async (t) => {
  const stack = await openStack({ api: { corsOrigins: ['https://good.example'] } })
  t.teardown(() => stack.close())

  await t.test('VER1: GET / without a token is 300 with the version document', async (t) => {
    const answer = await stack.json(null, 'GET', '/')
    t.equal(answer.status, 300)
    t.ok(answer.body.versions.length > 5)
    for (const version of answer.body.versions) {
      if (version.id.startsWith('v1.')) continue
      t.match(version.id, /^v2\.\d+$/)
      t.match(version.status, /^(CURRENT|SUPPORTED)$/)
      t.equal(version.links.length, 1)
      t.equal(version.links[0].rel, 'self')
      t.equal(version.links[0].href, `${stack.url}/v2/`)
    }
  })

  await t.test('VER2: GET /versions is 200 with the same document', async (t) => {
    const [root, versions] = await Promise.all([
      stack.json(null, 'GET', '/'),
      stack.json(null, 'GET', '/versions')
    ])
    t.equal(versions.status, 200)
    t.same(versions.body, root.body)
  })

  await t.test('VER3: one CURRENT, 2.17 present, no minor whose routes are missing', async (t) => {
    const { body } = await stack.json(null, 'GET', '/versions')
    const ids = body.versions.map((v: { id: string }) => v.id)
    t.equal(body.versions.filter((v: { status: string }) => v.status === 'CURRENT').length, 1)
    t.ok(ids.includes('v2.17'))
    for (const absent of ['v2.14', 'v2.16', 'v2.18']) t.notOk(ids.includes(absent))
  })

  await t.test('VER4: every advertised minor is the same API', async (t) => {
    const paths = ['/v2/images', '/v2.7/images', '/v2.0/images']
    const answers = await Promise.all(paths.map((path) => stack.json(P1, 'GET', path)))
    for (const answer of answers) t.same(answer.body, answers[0]?.body)
    const byAccept = await stack.call(P1, 'GET', '/images', {
      headers: { accept: 'application/vnd.openstack.images-v2.5' }
    })
    t.equal(byAccept.status, 200, 'V4')
  })

  await t.test('VER5: what names no version is 300, tokenless', async (t) => {
    for (const path of ['/v1.2/images', '/v10', '/v3/x', '/va.1/images', '/foo', '/v2', '/v2/'])
      t.equal((await stack.call(null, 'GET', path)).status, 300, path)
  })

  await t.test('HTP1: no token is 401 with a challenge and a readable body', async (t) => {
    for (const headers of [{}, { 'x-identity-status': 'Invalid' }, { 'x-auth-token': 'bad' }]) {
      const answer = await stack.call(null, 'GET', '/v2/images', { headers })
      t.equal(answer.status, 401)
      t.match(answer.headers['www-authenticate'], /^Keystone uri=/)
      t.equal(JSON.parse(answer.body.toString()).error.code, 401)
    }
    t.equal((await stack.call(null, 'GET', '/v2/nothing')).status, 401, 'G1: before the route')
  })

  await t.test('HTP2: every answer has a request id', async (t) => {
    const image = await stack.create(P1)
    const own = { 'x-openstack-request-id': 'req-my-own-1' }
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v2/images'],
      ['GET', '/v2/nothing'],
      ['DELETE', `/v2/images/${image.id}`]
    ] as const) {
      const answer = await stack.call(P1, method, path)
      t.match(answer.headers['x-openstack-request-id'], /^req-/, `${method} ${path}`)
    }
    const named = await stack.call(P1, 'GET', '/v2/images', { headers: own })
    t.equal(named.headers['x-openstack-request-id'], 'req-my-own-1')
    const long = { 'x-openstack-request-id': `req-${'x'.repeat(80)}` }
    t.equal((await stack.call(P1, 'GET', '/v2/images', { headers: long })).status, 431)
  })

  await t.test('HTP3: error bodies are nested JSON', async (t) => {
    const answer = await stack.call(P1, 'GET', '/v2/images/nothing')
    t.match(answer.headers['content-type'], /^application\/json(; charset=utf-8)?$/, 'E3')
    const { error } = JSON.parse(answer.body.toString())
    t.match(error, { code: 404, title: 'Not Found', message: /./ })
  })

  await t.test('HTP4: 405 with Allow, 404, 501', async (t) => {
    const put = await stack.call(P1, 'PUT', '/v2/images')
    t.equal(put.status, 405)
    t.same(String(put.headers.allow).split(', ').sort(), ['GET', 'POST'])
    t.equal((await stack.call(P1, 'OPTIONS', '/v2/images')).status, 405)
    t.equal((await stack.call(P1, 'GET', '/v2/nothing')).status, 404)
    t.match(await raw(stack, 'FOO /v2/images HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 405 /)
    t.match(await raw(stack, 'FOO /v2/nothing HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 501 /)
  })

  await t.test('HTP6: CORS for listed origins only', async (t) => {
    const preflight = (origin: string) =>
      stack.call(null, 'OPTIONS', '/v2/images', {
        headers: { origin, 'access-control-request-method': 'POST' }
      })
    const good = await preflight('https://good.example')
    t.equal(good.status, 200)
    t.equal(good.headers['access-control-allow-origin'], 'https://good.example')
    t.equal(good.headers.vary, 'Origin')
    const foreign = await preflight('https://evil.example')
    t.equal(foreign.headers['access-control-allow-origin'], undefined)
  })

  await t.test('HTP7: JSON is compressed when asked, data never', async (t) => {
    const image = await stack.create(P1, { text: 'x'.repeat(5000) })
    const headers = { 'accept-encoding': 'gzip' }
    const zipped = await stack.call(P1, 'GET', `/v2/images/${image.id}`, { headers })
    t.equal(zipped.headers['content-encoding'], 'gzip')
    t.equal(JSON.parse(gunzipSync(zipped.body).toString()).id, image.id)
    const plain = await stack.call(P1, 'GET', `/v2/images/${image.id}`)
    t.equal(plain.headers['content-encoding'], undefined)
    t.equal((await stack.upload(P1, image.id, 'x'.repeat(5000))).status, 204)
    const data = await stack.call(P1, 'GET', `/v2/images/${image.id}/file`, { headers })
    t.equal(data.headers['content-encoding'], undefined)
    t.equal(data.body.length, 5000)
  })

  await t.test('HTP8: an upload with Expect: 100-continue', async (t) => {
    const image = await stack.create(P1)
    const identity = 'X-Identity-Status: Confirmed\r\nX-Project-Id: P1\r\nX-Roles: member\r\n'
    const head = (id: string) =>
      `PUT /v2/images/${id}/file HTTP/1.1\r\nHost: x\r\n${identity}Content-Type: application/octet-stream\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n`
    const asked = await raw(stack, head(image.id), /100 Continue/)
    t.match(asked, /^HTTP\/1.1 100 Continue/, 'is asked for the body')
    const other = await stack.create(P1)
    t.match(await raw(stack, `${head(other.id)}abc`), /HTTP\/1.1 204 /)
    const refused = await raw(stack, head(other.id))
    t.match(refused, /^HTTP\/1.1 409 /, 'refused before the body is sent')
    t.notMatch(refused, /100 Continue/)
  })

  await t.test('HTP9: Accept text/html yields an HTML error', async (t) => {
    const answer = await stack.call(P1, 'GET', '/v2/images/nothing', {
      headers: { accept: 'text/html' }
    })
    t.match(answer.headers['content-type'], /^text\/html/)
    t.match(answer.body.toString(), /<h1>404 Not Found<\/h1>/)
  })

  await t.test(
    'G2, SHW4: a body on a route without one is 400, a lone Content-Type is not',
    async (t) => {
      const { id } = await stack.create(P1)
      const body = { headers: { 'content-type': 'application/json' }, body: '{}' }
      const lone = { headers: { 'content-type': 'application/octet-stream' } }
      for (const [method, path] of [
        ['GET', `/v2/images/${id}`],
        ['GET', `/v2/images/${id}/members`],
        ['GET', '/v2/schemas/image'],
        ['PUT', `/v2/images/${id}/tags/a`],
        ['POST', `/v2/images/${id}/actions/deactivate`]
      ] as const) {
        t.equal((await stack.call(P1, method, path, body)).status, 400, `SHW4 ${method} ${path}`)
        t.not((await stack.call(P1, method, path, lone)).status, 400, `${method} ${path}`)
        t.not((await stack.call(P1, method, path, lone)).status, 415, `${method} ${path}`)
      }
    }
  )

  await t.test(
    'SCH1, SCH2: the image schema has 25 attributes and null in its enums',
    async (t) => {
      const { body } = await stack.json(P1, 'GET', '/v2/schemas/image')
      t.equal(Object.keys(body.properties).length, 25)
      t.ok(body.properties.disk_format.enum.includes(null))
      t.ok(body.properties.container_format.enum.includes(null))
      t.same(body.additionalProperties, { type: 'string' })
      t.equal(body.links.length, 3)
      const images = (await stack.json(P1, 'GET', '/v2/schemas/images')).body
      t.same(images.properties.images.items, body, 'SCH2')
      t.hasProps(images.properties, ['first', 'next', 'schema'])
    }
  )

  await t.test('SCH3: every other schema; SCH6: POST to a schema', async (t) => {
    for (const name of ['member', 'members', 'task', 'tasks']) {
      const { status, body } = await stack.json(P1, 'GET', `/v2/schemas/${name}`)
      t.equal(status, 200)
      t.equal(body.name, name)
    }
    t.equal((await stack.call(P1, 'POST', '/v2/schemas/image')).status, 405)
  })

  await t.test('SCH5: answers that do not follow their schema are found out', async (t) => {
    const { body: schema } = await stack.json(P1, 'GET', '/v2/schemas/image')
    const check = createAnswerCheck(async () => schema)
    const { body } = await stack.json(P1, 'POST', '/v2/images', { name: 'x', extra: 'y' })
    await check('POST', '/v2/images', 201, body)
    for (const wrong of [{ size: 'big' }, { extra: 3 }, { visibility: 'secret' }, { tags: null }]) {
      await t.rejects(check('POST', '/v2/images', 201, { ...body, ...wrong }), /SCH5/)
    }
  })

  await t.test('STO1: the stores are listed with one default', async (t) => {
    const { body } = await stack.json(P1, 'GET', '/v2/info/stores')
    t.same(body, { stores: [{ id: 'main', default: 'true' }, { id: 'second' }] })
    t.equal((await stack.json(P1, 'GET', '/v2/info/stores/detail')).status, 403, 'STO2')
    const detail = await stack.json(ADMIN, 'GET', '/v2/info/stores/detail')
    t.match(detail.body.stores[0], { id: 'main', type: 'fs', weight: 0, properties: {} })
  })
})

t.test('VER6: a public endpoint is the base of all links', async (t) => {
  const stack = await openStack({ api: { publicEndpoint: 'https://images.example/base/' } })
  t.teardown(() => stack.close())
  const { body } = await stack.json(null, 'GET', '/versions')
  t.equal(body.versions[0].links[0].href, 'https://images.example/base/v2/')
  const created = await stack.json(P1, 'POST', '/v2/images', {})
  t.match(created.headers.location, /^https:\/\/images\.example\/base\/v2\/images\//)
})

t.test('VER6, S-50: the path that a trusted proxy took off is in all links', async (t) => {
  const linkOf = async (trustedProxies: string[], prefix: string) => {
    const stack = await openStack({ api: { trustedProxies } })
    const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-prefix': prefix }
    const read = async (path: string) =>
      JSON.parse((await stack.call(null, 'GET', path, { headers })).body.toString())
    const link = (await read('/versions')).versions[0].links[0].href
    const [server] = (await read('/openapi.json')).servers
    await stack.close()
    t.equal(`${server.url}/v2/`, link, 'the OpenAPI document says the same')
    return new URL(link).pathname
  }
  t.equal(await linkOf(['127.0.0.1'], '/image'), '/image/v2/')
  t.equal(await linkOf(['127.0.0.1'], '/cloud/image/'), '/cloud/image/v2/')
  t.equal(await linkOf([], '/image'), '/v2/')
  t.equal(await linkOf(['10.0.0.0/8'], '/image'), '/v2/')
  for (const hostile of ['//evil.example', 'evil', '/a?b', '/a"b', `/${'a'.repeat(300)}`]) {
    t.equal(await linkOf(['127.0.0.1'], hostile), '/v2/', hostile)
  }
})

t.test('HTP5: the health check and its file', async (t) => {
  const file = join(t.testdir(), 'disabled')
  const stack = await openStack({ api: { healthcheckDisableFile: file } })
  t.teardown(() => stack.close())
  const healthy = await stack.call(null, 'GET', '/healthcheck')
  t.equal(healthy.status, 200)
  t.equal(healthy.body.toString(), 'OK')
  t.equal((await stack.call(null, 'GET', '/readyz')).status, 200)
  await writeFile(file, '')
  const disabled = await stack.call(null, 'GET', '/healthcheck')
  t.equal(disabled.status, 503)
  t.equal(disabled.body.toString(), 'DISABLED BY FILE')
})
