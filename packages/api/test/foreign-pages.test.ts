import { createRegistryClient } from '@tank/client'
import { loadConfig } from '@tank/service'
import { defineStorePlugin } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { apiConfigSchema, buildApi } from '../src/index.ts'

const OWN = 'http://127.0.0.1:9292'
const REFUSED = /other origins may not change/

const store = defineStorePlugin({
  name: 'empty',
  options: Type.Object({}),
  open: async () => ({
    type: 'empty',
    features: { ranges: true, unknownSize: true, exclusive: true },
    stat: async () => ({ size: 0 }),
    get: () => Promise.reject(new Error('empty')),
    put: async () => ({ size: 0 }),
    delete: async () => {}
  })
})

/** An API over a registry that is away: what gets past the checks is not answered with 403. */
async function open(t: Test, api: object) {
  const routes = new Set<string>()
  const watching: FastifyPluginAsync = async (app, options) => {
    app.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) routes.add(`${each} ${url}`)
    })
    await store(app, options)
  }
  const app = await buildApi(
    loadConfig(apiConfigSchema, { overrides: { stores: { main: { use: 'empty' } }, ...api } }),
    {
      registry: createRegistryClient({ urls: ['http://127.0.0.1:1'], secret: 'x'.repeat(32) }),
      loadStore: async () => Object.assign(watching, { [Symbol.for('skip-override')]: true }),
      logger: { level: 'silent' }
    }
  )
  t.teardown(() => app.close())
  type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  const send = async (method: string, url: string, headers: Record<string, string> = {}) => {
    const answer = await app.inject({
      method: method as Method,
      url,
      headers: { host: '127.0.0.1:9292', 'content-type': 'text/plain', ...headers },
      ...(method === 'GET' ? {} : { payload: '{"name":"x"}' })
    })
    return { status: answer.statusCode, text: answer.body }
  }
  const passes = async (headers: Record<string, string>) => {
    const { status, text } = await send('POST', '/v2/images', headers)
    return !(status === 403 && REFUSED.test(text))
  }
  return { routes, send, passes }
}

const FRONT = { 'x-identity-status': 'Confirmed', 'x-roles': 'admin' }

t.test('S-49: a page of another origin changes nothing, by any route', async (t) => {
  for (const mode of ['none', 'headers']) {
    const { routes, send } = await open(t, { identity: { mode } })
    const writes = [...routes].filter((route) => !/^(GET|HEAD|OPTIONS|TRACE) /.test(route))
    t.ok(writes.length > 20)
    for (const route of writes) {
      const [method = '', path = ''] = route.split(' ')
      const url = path.replace(/:\w+/g, 'x')
      const { status, text } = await send(method, url, { origin: 'https://evil.example', ...FRONT })
      t.equal(status, 403, `${mode}: ${route}`)
      t.match(text, REFUSED)
    }
  }
})

t.test('S-49: what browsers say of the page decides', async (t) => {
  const { passes, send } = await open(t, { corsOrigins: ['https://dash.example'] })
  for (const foreign of [
    { origin: 'http://127.0.0.1:8080' },
    { origin: 'http://localhost:9292' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'https://dash.example.evil.example' },
    { origin: `${OWN}, https://evil.example` },
    { origin: 'file://127.0.0.1:9292' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: OWN, 'sec-fetch-site': 'cross-site' }
  ]) {
    t.notOk(await passes(foreign), JSON.stringify(foreign))
  }
  for (const ours of [
    {},
    { origin: OWN },
    { origin: OWN, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://dash.example', 'sec-fetch-site': 'cross-site' },
    { host: 'IMAGES:80', origin: 'http://images' },
    { host: 'images:443', origin: 'https://images' }
  ]) {
    t.ok(await passes(ours), JSON.stringify(ours))
  }
  for (const url of ['/v2.9/images', '/images', '/', '/nothing']) {
    const { status } = await send('POST', url, {
      origin: 'https://evil.example',
      accept: 'application/vnd.openstack.images-v2.9'
    })
    t.equal(status, 403, url)
  }
  const read = await send('GET', '/versions', { origin: 'https://evil.example' })
  t.equal(read.status, 200, 'a page may ask, it is not shown the answer')
})

t.test('S-49: the public address is an origin of its own', async (t) => {
  const { passes } = await open(t, { publicEndpoint: 'https://images.example/base/' })
  t.ok(await passes({ origin: 'https://images.example' }))
  t.notOk(await passes({ origin: 'https://other.example' }))
})

t.test('S-49: without identities no name of strangers leads here (DNS rebinding)', async (t) => {
  const { send } = await open(t, { publicEndpoint: 'https://images.example:8443' })
  const status = async (host: string, url = '/versions') =>
    (await send('GET', url, { host })).status
  for (const host of ['evil.example:9292', 'evil.example', 'localhost.evil.example', 'a b']) {
    t.equal(await status(host), 403, host)
  }
  for (const host of [
    '127.0.0.1:9292',
    '[::1]:9292',
    '10.0.0.5',
    'localhost:9292',
    'tank.localhost',
    'api:9292',
    'images.example:8443',
    'images.example'
  ]) {
    t.equal(await status(host), 200, host)
  }
  t.equal(await status('evil.example', '/healthcheck'), 200, 'probes ask under any name')
  const refused = await send('GET', '/v2/images', { host: 'evil.example:9292' })
  t.match(refused.text, /api\.publicEndpoint/, 'and says what to do')
  const withTokens = await open(t, { identity: { mode: 'tokens' } })
  t.equal((await withTokens.send('GET', '/versions', { host: 'images.example' })).status, 200)
})
