import { mock } from 'node:test'
import t, { type Test } from 'tap'
import {
  applicationCredentialAuth,
  authFromEnvironment,
  clientCredentialsAuth,
  createTankClient,
  isTankClientError,
  openTankClient,
  passwordAuth
} from '../src/index.ts'
import { imageService, serveIdentity } from './fake-identity.ts'
import { type Handler, sendJson, serve } from './fake-server.ts'

const IMAGE = { id: 'i', status: 'active' }
const SECRET = 'correct horse battery'
const quick = { retryDelayMs: 5 }

const images = (t: Test, handler?: Handler) =>
  serve(t, handler ?? ((_request, response) => sendJson(response, 200, IMAGE)))

const tokensOf = (server: { requests: { headers: object }[] }) =>
  server.requests.map(({ headers }) => 'x-auth-token' in headers && headers['x-auth-token'])

t.test('a user and a password', async (t) => {
  const identity = await serveIdentity(t)
  const server = await images(t)
  identity.catalog = [
    { type: 'compute', endpoints: [] },
    imageService(
      [`${server.url}/image/v2`, 'one', 'public'],
      ['http://127.0.0.1:1', 'one', 'internal'],
      ['http://127.0.0.1:1', 'two', 'public']
    )
  ]
  const auth = passwordAuth({
    authUrl: `${identity.url}/identity/v3/`,
    username: 'ann',
    password: SECRET,
    userDomainName: 'Staff',
    projectName: 'lab'
  })
  const client = await openTankClient({ auth, region: 'one', ...quick })
  t.teardown(() => client.close())
  await Promise.all([client.show('a'), client.show('b')])
  t.same(
    server.requests.map(({ url }) => url).sort(),
    ['/image/v2/images/a', '/image/v2/images/b'],
    'the path of the catalogue is kept'
  )
  t.same(tokensOf(server), ['token-1', 'token-1'])
  t.equal(identity.requests[0]?.url, '/identity/v3/auth/tokens')
  t.same(identity.asked(), [
    {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'ann', domain: { name: 'Staff' }, password: SECRET } }
        },
        scope: { project: { name: 'lab', domain: { name: 'Staff' } } }
      }
    }
  ])
  await t.rejects(auth.endpoint(), { code: 'AMBIGUOUS_ENDPOINT', message: /one, two/ })
  await t.rejects(auth.endpoint({ region: 'three' }), { code: 'NO_ENDPOINT', message: /three/ })
  t.equal(await auth.endpoint({ region: 'one', interface: 'internal' }), 'http://127.0.0.1:1')
})

t.test('ids, application credentials, and what is missing', async (t) => {
  const identity = await serveIdentity(t)
  const authUrl = identity.url
  const none = { userDomainId: undefined }
  await passwordAuth({ authUrl, userId: 'u', password: 'p', projectId: 'q' }).token()
  await passwordAuth({ authUrl, username: 'u', password: 'p', ...none }).token()
  await applicationCredentialAuth({ authUrl, id: 'c', secret: 's' }).token()
  const named = { name: 'c', username: 'u', userDomainId: 'd' }
  await applicationCredentialAuth({ authUrl, ...named, secret: 's' }).token()
  const methods = ['application_credential']
  t.same(identity.asked(), [
    {
      auth: {
        identity: { methods: ['password'], password: { user: { id: 'u', password: 'p' } } },
        scope: { project: { id: 'q' } }
      }
    },
    {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'u', domain: { id: 'default' }, password: 'p' } }
        }
      }
    },
    { auth: { identity: { methods, application_credential: { id: 'c', secret: 's' } } } },
    {
      auth: {
        identity: {
          methods,
          application_credential: {
            name: 'c',
            user: { name: 'u', domain: { id: 'd' } },
            secret: 's'
          }
        }
      }
    }
  ])
  t.equal(identity.requests[0]?.url, '/v3/auth/tokens')
  t.throws(() => passwordAuth({ authUrl, password: 'p' }), { code: 'MISCONFIGURED' })
  t.throws(() => applicationCredentialAuth({ authUrl, secret: 's' }), { code: 'MISCONFIGURED' })
  await t.rejects(openTankClient({ token: 'x' }), { code: 'MISCONFIGURED' })
  for (const wrong of ['keystone.test:5000', 'http://a b', 'ftp://keystone.test']) {
    const auth = passwordAuth({ authUrl: wrong, username: 'u', password: 'p' })
    await t.rejects(auth.token(), { code: 'MISCONFIGURED', message: wrong })
  }
})

t.test('a token is renewed before its end, and once when it is refused', async (t) => {
  const identity = await serveIdentity(t)
  const refused = new Set<unknown>()
  const server = await images(t, (request, response) => {
    if (refused.has(request.headers['x-auth-token'])) return sendJson(response, 401, {})
    return sendJson(response, 200, IMAGE)
  })
  const auth = passwordAuth({ authUrl: identity.url, username: 'u', password: 'p' })
  const client = createTankClient({ url: server.url, auth, ...quick })
  t.teardown(() => client.close())
  mock.timers.enable({ apis: ['Date'] })
  t.teardown(() => mock.timers.reset())
  await client.show('a')
  mock.timers.tick(3_500_000)
  await client.show('a')
  t.same(tokensOf(server), ['token-1', 'token-1'])
  mock.timers.tick(45_000)
  await client.show('a')
  t.equal(tokensOf(server).at(-1), 'token-2', 'a minute before its end')

  refused.add('token-2')
  await Promise.all([client.show('a'), client.show('b')])
  t.equal(tokensOf(server).at(-1), 'token-3')
  t.equal(identity.requests.length, 3, 'one renewal for both')
  refused.add('token-3').add('token-4')
  server.requests.length = 0
  await t.rejects(client.show('a'), { code: 'UNAUTHENTICATED' })
  t.same(tokensOf(server), ['token-3', 'token-4'], 'once')
  refused.add('token-5')
  await t.rejects(client.upload('a', Buffer.from('x')), { code: 'UNAUTHENTICATED' })
  await client.upload('a', Buffer.from('x'))
})

t.test('an upload and a download renew the token as well', async (t) => {
  const server = await images(t, (request, response) => {
    if (request.headers['x-auth-token'] === 'old') return sendJson(response, 401, {})
    if (request.method === 'PUT') return response.writeHead(204).end()
    const shown = { ...IMAGE, size: 5, checksum: '827ccb0eea8a706c4c34a16891f84e7b' }
    return request.url.endsWith('/file') ? response.end('12345') : sendJson(response, 200, shown)
  })
  let tokens: string[] = []
  const token = async () => tokens.shift() ?? 'old'
  const client = createTankClient({ url: server.url, token, ...quick })
  t.teardown(() => client.close())
  tokens = ['old', 'new']
  await client.upload('a', Buffer.from('x'))
  tokens = ['new', 'old', 'new']
  await client.download('a', `${t.testdir()}/file`)
})

t.test('identity services that refuse, send elsewhere, hang, or are away', async (t) => {
  const identity = await serveIdentity(t)
  const auth = passwordAuth({ authUrl: identity.url, username: 'u', password: SECRET, ...quick })
  const client = createTankClient({ url: 'http://127.0.0.1:1', auth })
  t.teardown(() => client.close())
  identity.status = 401
  const error = await client.show('a').catch((failure: unknown) => failure)
  t.ok(isTankClientError(error, 'UNAUTHENTICATED'))
  t.match(error, { message: /identity service refused the credentials: no such user/ })
  t.notMatch(JSON.stringify(error), SECRET)
  identity.status = 502
  identity.requests.length = 0
  await t.rejects(client.show('a'), { code: 'UNAVAILABLE' })
  t.equal(identity.requests.length, 4, 'it is tried again')

  const elsewhere = await serveIdentity(t)
  const away = await serve(t, (_request, response) => {
    response.writeHead(307, { location: elsewhere.url }).end()
  })
  const moved = passwordAuth({ authUrl: away.url, username: 'u', password: SECRET })
  await t.rejects(moved.token(), { code: 'BAD_ANSWER' })
  t.equal(elsewhere.requests.length, 0, 'the password does not follow')

  const empty = await serve(t, (_request, response) => sendJson(response, 201, { token: {} }))
  const none = passwordAuth({ authUrl: empty.url, username: 'u', password: 'p' })
  await t.rejects(none.token(), { code: 'BAD_ANSWER' })
  const hanging = await serve(t, () => undefined)
  const patient = passwordAuth({ authUrl: hanging.url, username: 'u', password: 'p' })
  const waiting = createTankClient({ url: 'http://127.0.0.1:1', auth: patient })
  const controller = new AbortController()
  const call = waiting.show('a', { signal: controller.signal })
  const reason = new Error('enough')
  setTimeout(() => controller.abort(reason), 20)
  await t.rejects(call, reason)
  await waiting.close()
})

t.test('no token is ever sent to another host', async (t) => {
  const other = await images(t)
  const server = await images(t, (_request, response) => {
    response.writeHead(302, { location: `${other.url}/v2/images/a` }).end()
  })
  const client = createTankClient({ url: server.url, token: 'precious', ...quick })
  t.teardown(() => client.close())
  await t.rejects(client.show('a'), { code: 'BAD_ANSWER', status: 302 })
  await t.rejects(client.upload('a', Buffer.from('x')), { code: 'BAD_ANSWER' })
  await t.rejects(client.list().next(), { code: 'BAD_ANSWER' })
  await t.rejects(client.versions(), { code: 'BAD_ANSWER' })
  t.equal(other.requests.length, 0)
})

t.test('client credentials of an OpenID Connect provider', async (t) => {
  const provider = await serve(t, (request, response) => {
    if (request.method === 'GET') return sendJson(response, 200, discovery)
    return sendJson(response, 200, { access_token: 'jwt', expires_in: 300, token_type: 'Bearer' })
  })
  let discovery = { issuer: `${provider.url}/realm`, token_endpoint: `${provider.url}/token/?a=b` }
  const options = {
    issuer: `${provider.url}/realm`,
    clientId: 'a:b',
    clientSecret: 'ü/x',
    ...quick
  }
  const auth = clientCredentialsAuth({ ...options, scope: 'images', audience: 'tank' })
  t.equal(await auth.token(), 'jwt')
  t.equal(await auth.token(), 'jwt')
  t.same(
    provider.requests.map(({ url }) => url),
    ['/realm/.well-known/openid-configuration', '/token/?a=b']
  )
  const { headers, body } = provider.requests[1] ?? {}
  t.equal(String(body), 'grant_type=client_credentials&scope=images&audience=tank')
  t.equal(headers?.['content-type'], 'application/x-www-form-urlencoded')
  const encoded = String(headers?.authorization).replace('Basic ', '')
  t.equal(Buffer.from(encoded, 'base64').toString(), 'a%3Ab:%C3%BC%2Fx')
  discovery = { ...discovery, issuer: 'http://other' }
  await t.rejects(clientCredentialsAuth(options).token(), { code: 'BAD_ANSWER' })
  const direct = { ...options, issuer: undefined, tokenUrl: `${provider.url}/direct` }
  t.equal(await clientCredentialsAuth(direct).token(), 'jwt')
  const nowhere = { clientId: 'a', clientSecret: 'b' }
  t.throws(() => clientCredentialsAuth(nowhere), { code: 'MISCONFIGURED' })
})

t.test('the OS_ variables of an environment', async (t) => {
  const identity = await serveIdentity(t)
  const server = await images(t)
  identity.catalog = [imageService([server.url, 'one', 'internal'])]
  const password = {
    OS_AUTH_URL: identity.url,
    OS_USERNAME: 'ann',
    OS_PASSWORD: SECRET,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_NAME: 'lab',
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_REGION_NAME: 'one',
    OS_INTERFACE: 'internalURL',
    OS_USER_ID: ''
  }
  const client = await openTankClient(authFromEnvironment(password))
  t.teardown(() => client.close())
  await client.show('a')
  t.same(tokensOf(server), ['token-1'])
  t.match(identity.asked()[0], {
    auth: { scope: { project: { name: 'lab', domain: { id: 'default' } } } }
  })
  const credential = {
    OS_AUTH_URL: identity.url,
    OS_APPLICATION_CREDENTIAL_ID: 'c',
    OS_APPLICATION_CREDENTIAL_SECRET: 's'
  }
  t.equal(await authFromEnvironment(credential).auth?.token(), 'token-2')
  t.match(authFromEnvironment({ OS_TOKEN: 't', OS_ENDPOINT: server.url }), {
    token: 't',
    url: server.url
  })
  t.match(authFromEnvironment({ OS_ENDPOINT: server.url }), { url: server.url, auth: undefined })
  t.equal(authFromEnvironment({ OS_AUTH_TYPE: 'none' }).token, undefined)
  const oidc = { OS_AUTH_TYPE: 'v3oidcclientcredentials', OS_CLIENT_ID: 'a', OS_CLIENT_SECRET: 'b' }
  t.ok(authFromEnvironment({ ...oidc, OS_ACCESS_TOKEN_ENDPOINT: server.url }).auth)
  const faults: [Record<string, string>, RegExp][] = [
    [{ OS_USERNAME: 'ann' }, /OS_AUTH_URL, OS_PASSWORD/],
    [{ OS_AUTH_URL: 'x' }, /OS_PASSWORD, OS_USERNAME/],
    [{ OS_AUTH_TYPE: 'v3applicationcredential' }, /OS_APPLICATION_CREDENTIAL_ID/],
    [oidc, /OS_DISCOVERY_ENDPOINT/],
    [{ OS_AUTH_TYPE: 'token' }, /OS_TOKEN/],
    [{ OS_AUTH_TYPE: 'kerberos' }, /kerberos/],
    [{ OS_INTERFACE: 'side' }, /side/]
  ]
  for (const [env, message] of faults) {
    t.throws(() => authFromEnvironment(env), { code: 'MISCONFIGURED', message })
  }
  const folder = t.testdir({ 'ca.pem': 'PEM' })
  t.equal(authFromEnvironment({ OS_CACERT: `${folder}/ca.pem` }).ca, 'PEM')
})
