import { once } from 'node:events'
import { createServer } from 'node:https'
import t, { type Test } from 'tap'
import {
  classicName,
  type EndpointChoice,
  type Environment,
  getLegacyClient,
  LegacyClient,
  type LegacyClientOptions
} from '../src/index.ts'
import { authority, serverCertificate, serverKey } from './certificates.ts'
import { imageService, serveIdentity } from './fake-identity.ts'
import { type Handler, sendJson, serve, urlOf } from './fake-server.ts'

const quick = { retries: 0, timeoutMs: 5_000 }
const me = { username: 'ann', password: 'secret', tenant: 'lab' }

const nothing: Handler = (_request, response) => sendJson(response, 200, { images: [] })

function open(t: Test, options: LegacyClientOptions, environment?: Environment): LegacyClient {
  const client = getLegacyClient({ ...quick, ...options }, environment)
  t.teardown(() => client.close())
  return client
}

function nameOfThrown(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    return classicName(error)
  }
  return 'nothing was thrown'
}

t.test('a token, and an address that is put together', async (t) => {
  const server = await serve(t, nothing)
  const { hostname: host, port } = new URL(server.url)
  const address = { host, port: Number(port) }
  await open(t, address).getImages()
  await open(t, { ...address, docRoot: 'images/v1/', authTok: 'given' }).getImages()
  await open(t, { ...address, docRoot: '' }, { OS_TOKEN: 'old', X7_TOKEN: 'new' }).getImages()
  const seen = server.requests.map(({ url, headers }) => [url, headers['x-auth-token']])
  t.same(seen, [
    ['/v1/images', undefined],
    ['/images/v1/images', 'given'],
    ['/images', 'new']
  ])
  for (const wrong of ['http://x', 'a/b', '', 'a b']) {
    t.throws(() => new LegacyClient({ host: wrong }), { code: 'MISCONFIGURED' }, wrong)
  }
  t.throws(() => new LegacyClient({}), { code: 'MISCONFIGURED', message: /give the host/ })
})

t.test('credentials for each Identity API, of options and of variables', async (t) => {
  const images = await serve(t, nothing)
  const v3 = await serveIdentity(t)
  const at = `${images.url}/v2`
  v3.catalog = [imageService([at, 'one', 'public']), imageService([at, 'two', 'public'])]
  await open(t, { creds: { ...me, authUrl: v3.url, region: 'one' } }).getImages()
  t.equal(images.requests.at(-1)?.headers['x-auth-token'], 'token-1')
  t.equal(images.requests.at(-1)?.url, '/v1/images', 'the path is that of this API')
  t.match(v3.asked().at(-1), {
    auth: { identity: { password: { user: { name: 'ann' } } }, scope: { project: { name: 'lab' } } }
  })

  const endpoint = (region: string, url = images.url) => ({ region, publicURL: url })
  let endpoints = [endpoint('one')]
  const v2 = await serve(t, (_request, response) => {
    const expires = new Date(Date.now() + 3_600_000).toISOString()
    const serviceCatalog = [{ type: 'image', endpoints }, { type: 'compute' }]
    sendJson(response, 200, { access: { token: { id: 'v2-token', expires }, serviceCatalog } })
  })
  const environment = {
    OS_AUTH_URL: `${v2.url}/v2.0/`,
    OS_USERNAME: 'no',
    X7_AUTH_USER: 'ann',
    OS_PASSWORD: 'secret',
    OS_TENANT_NAME: 'lab',
    OS_REGION_NAME: '',
    OS_AUTH_STRATEGY: 'noauth'
  }
  await open(t, {}, environment).getImages()
  t.equal(images.requests.at(-1)?.headers['x-auth-token'], 'v2-token')
  t.equal(v2.requests[0]?.url, '/v2.0/tokens')
  t.same(JSON.parse(String(v2.requests[0]?.body)), {
    auth: { tenantName: 'lab', passwordCredentials: { username: 'ann', password: 'secret' } }
  })
  endpoints = [endpoint('one'), endpoint('two', 'http://other.test')]
  const nameOf = (promise: Promise<unknown>) => promise.then(() => 'no failure', classicName)
  t.equal(await nameOf(open(t, {}, environment).getImages()), 'RegionAmbiguity')
  await open(t, { creds: { region: 'one' } }, environment).getImages()
  endpoints = []
  const lost = open(t, {}, environment)
  t.equal(await nameOf(lost.getImages()), 'NoServiceEndpoint')
  endpoints = [endpoint('one')]

  const v1 = await serve(t, (_request, response) => {
    response.writeHead(204, { 'x-auth-token': 'v1-token' }).end()
  })
  const { hostname: host, port } = new URL(images.url)
  const creds = { ...me, authUrl: `${v1.url}/v1.0` }
  await open(t, { host, port: Number(port), creds }).getImages()
  t.equal(images.requests.at(-1)?.headers['x-auth-token'], 'v1-token')
  t.match(v1.requests[0]?.headers, {
    'x-auth-user': 'ann',
    'x-auth-key': 'secret',
    'x-auth-tenant': 'lab'
  })
  const tokenless = await serve(t, (_request, response) => response.end('{}'))
  for (const version of ['v1', 'v2.0']) {
    const url = `${tokenless.url}/${version}`
    const client = open(t, { host, port: Number(port), creds: { ...me, authUrl: url } })
    await t.rejects(client.getImages(), { code: 'BAD_ANSWER', message: /no token/ })
  }
})

t.test('the region counts for any identity service', async (t) => {
  const images = await serve(t, nothing)
  const address = async ({ region }: EndpointChoice = {}) =>
    region === 'one' ? images.url : 'http://other.test'
  const auth = { token: async () => 'mine', refuse: () => false, endpoint: address }
  await open(t, { auth, creds: { region: 'one' } }).getImages()
  await open(t, { auth, authTok: 'said' }, { OS_REGION_NAME: 'one' }).getImages()
  t.same(
    images.requests.map(({ headers }) => headers['x-auth-token']),
    ['mine', 'said']
  )
})

t.test('an address that does not come is not waited for', async (t) => {
  const endpoint = () => new Promise<string>(() => {})
  const auth = { token: async () => 'mine', refuse: () => false, endpoint }
  const reason = new Error('enough')
  const stop = new AbortController()
  const call = open(t, { auth }).getImages({}, { signal: stop.signal })
  stop.abort(reason)
  await t.rejects(call, reason)
  await t.rejects(open(t, { auth, timeoutMs: 10 }).getImage('a'), {
    code: 'TIMEOUT',
    message: /no address/
  })
})

t.test('a token of the environment does not beat what the program passes', async (t) => {
  const images = await serve(t, nothing)
  const v3 = await serveIdentity(t)
  v3.catalog = [imageService([`${images.url}/v2`, 'one', 'public'])]
  const { hostname: host, port } = new URL(images.url)
  const environment = { OS_TOKEN: 'of somebody else' }
  const sent = () => images.requests.at(-1)?.headers['x-auth-token']
  await open(t, { creds: { ...me, authUrl: v3.url } }, environment).getImages()
  t.equal(sent(), 'token-1')
  const auth = { token: async () => 'of the program', refuse: () => false }
  await open(t, { host, port: Number(port), auth }, environment).getImages()
  t.equal(sent(), 'of the program')
  await open(t, { host, port: Number(port), auth, authTok: 'said' }, environment).getImages()
  t.equal(sent(), 'said')
})

t.test('what is missing is named before anything is sent', async (t) => {
  const host = '127.0.0.1'
  const keystone = { strategy: 'keystone' } as const
  t.throws(() => getLegacyClient({ host, creds: { ...me, ...keystone } }), {
    code: 'MISCONFIGURED',
    message: /need authUrl/
  })
  t.equal(
    nameOfThrown(() => getLegacyClient({ host }, { X7_AUTH_STRATEGY: 'keystone' })),
    'ClientConfigurationError'
  )
  t.throws(() => getLegacyClient({ host }, { OS_AUTH_URL: 'http://x.test', OS_USERNAME: 'ann' }), {
    code: 'MISCONFIGURED',
    message: /need password/
  })
  t.throws(() => getLegacyClient({ host }, { OS_AUTH_STRATEGY: 'magic' }), {
    code: 'MISCONFIGURED',
    message: /magic/
  })
  getLegacyClient({ host }, { OS_AUTH_URL: 'http://x.test', OS_TOKEN: 'made elsewhere' })
  const file = `${t.testdir({ 'a.pem': authority })}/a.pem`
  const none = `${file}.none`
  for (const options of [
    { keyFile: file },
    { certFile: file },
    { keyFile: none, certFile: file },
    { caFile: none }
  ]) {
    t.throws(() => new LegacyClient({ host, ...options }), { code: 'TLS_FILES' })
    t.equal(
      nameOfThrown(() => new LegacyClient({ host, ...options })),
      'ClientConnectionError'
    )
  }
})

t.test('S-04 the classic client checks certificates unless it is told not to', async (t) => {
  const shown: unknown[] = []
  const tls = { key: serverKey, cert: serverCertificate, ca: authority, requestCert: true }
  const server = createServer({ ...tls, rejectUnauthorized: false }, (request, response) => {
    shown.push(Object(request.socket).getPeerCertificate()?.subject?.CN)
    response.end('{"images":[]}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = new URL(urlOf(server.address()))
  const at = (host: string) => ({ host, port: Number(port), useSsl: true })
  const folder = t.testdir({ ca: authority, cert: serverCertificate, key: serverKey })
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  })
  const refused = { code: 'CERTIFICATE_REFUSED' }
  await t.rejects(open(t, at('127.0.0.1')).getImages(), refused)
  await t.rejects(open(t, { ...at('localhost'), caFile: `${folder}/ca` }).getImages(), refused)
  await t.rejects(open(t, at('127.0.0.1')).getImage('x'), refused)
  await t.rejects(open(t, at('127.0.0.1')).addImage({}, 'x'), refused)
  t.same(shown, [])
  await open(t, at('127.0.0.1'), { TANK_CLIENT_CA_FILE: `${folder}/ca` }).getImages()
  const own = { keyFile: `${folder}/key`, certFile: `${folder}/cert` }
  await open(
    t,
    { ...at('127.0.0.1'), ...own },
    { GLANCE_CLIENT_CA_FILE: `${folder}/ca` }
  ).getImages()
  await open(t, { ...at('localhost'), insecure: true }).getImages()
  t.same(shown, [undefined, 'mirror.test', undefined])
  const plain = await serve(t, nothing)
  let location = plain.url
  const downgrade = createServer(
    { key: serverKey, cert: serverCertificate },
    (_request, response) => response.writeHead(302, { location }).end()
  )
  downgrade.listen(0, '127.0.0.1')
  await once(downgrade, 'listening')
  t.teardown(() => {
    downgrade.closeAllConnections()
    downgrade.close()
  })
  const secure = new URL(urlOf(downgrade.address()))
  const options = { host: secure.hostname, port: Number(secure.port), useSsl: true }
  await t.rejects(open(t, { ...options, caFile: `${folder}/ca` }).getImages(), {
    code: 'INVALID_REDIRECT',
    message: /from https: to http:/
  })
  t.same(plain.requests, [])
  location = `https://127.0.0.1:${port}/v1/images`
  await open(t, { ...options, ...own, caFile: `${folder}/ca` }).getImages()
  t.equal(shown.at(-1), undefined, 'another host is shown no certificate of the client')
})
