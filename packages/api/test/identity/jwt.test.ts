import { loadConfig } from '@tank/service'
import t, { type Test } from 'tap'
import { callerOfClaims } from '../../src/identity/claims.ts'
import { jwtIdentity } from '../../src/identity/jwt.ts'
import { jwtSection } from '../../src/identity/jwt-section.ts'
import { FakeIssuer, makeKey } from './fake-issuer.ts'
import { BAD_MOODS } from './fake-server.ts'
import { Clock, openWhoApp } from './who-app.ts'

interface Shared {
  readonly anonymous?: boolean
  readonly authenticateUri?: string
}

async function start(t: Test, section: object = {}, shared: Shared = {}) {
  const clock = new Clock()
  const issuer = await FakeIssuer.open(t, clock)
  const options = loadConfig(jwtSection, {
    overrides: { issuer: issuer.url, audience: ['other', 'tank'], timeoutSeconds: 1, ...section }
  })
  const app = await openWhoApp(t, (app) =>
    app.register(jwtIdentity, {
      ...options,
      authenticateUri: '',
      anonymous: false,
      now: clock.now,
      ...shared
    })
  )
  return { clock, issuer, ...app }
}

t.test('a token of the issuer names the caller', async (t) => {
  const { issuer, ask, askWith } = await start(t)
  const token = await issuer.sign()
  const ann = {
    user: 'ann',
    project: 'P1',
    domain: 'D1',
    roles: ['member', 'reader'],
    serviceRoles: [],
    readOnly: false
  }
  t.same((await askWith(token)).body, ann)
  t.same((await ask({ authorization: `Bearer ${token}` })).body, ann)
  t.same((await ask({ authorization: `bearer  ${token}`, 'x-auth-token': token })).body, ann)
  const reader = await askWith(await issuer.sign({ roles: 'reader other', project_id: undefined }))
  t.same(reader.body, {
    ...ann,
    project: null,
    roles: ['other', 'reader']
  })
  const admin = await askWith(await issuer.sign({ roles: 'Admin' }))
  t.match(admin.body, { roles: ['admin', 'member', 'reader'], readOnly: false })
  const odd = await askWith(await issuer.sign({ roles: 7 }))
  t.same(odd.body, { ...ann, roles: [], readOnly: true })
  t.match((await askWith(await issuer.sign({ aud: ['x', 'tank'] }))).status, 200)
  t.equal(issuer.server.count('GET /keys'), 1, 'the keys are asked for once')
})

t.test('HTP1: each refusal is a 401 that says why, and shows nothing of the token', async (t) => {
  const { clock, issuer, askWith, log } = await start(t)
  const now = Math.floor(clock.ms / 1000)
  const stranger = await makeKey('ES256')
  const forged = await issuer.sign({}, stranger, { kid: issuer.key.kid })
  const good = await issuer.sign()
  const [head, , signature] = good.split('.')
  const changed = Buffer.from(JSON.stringify(issuer.claims({ roles: ['admin'] })))
  const cases: [string, string, RegExp][] = [
    ['expired', await issuer.sign({ exp: now - 31 }), /has expired/],
    ['without expiry', await issuer.sign({ exp: undefined }), /does not say when it expires/],
    ['not valid yet', await issuer.sign({ nbf: now + 40 }), /not valid yet/],
    ['another audience', await issuer.sign({ aud: 'tank2' }), /another audience/],
    ['no audience', await issuer.sign({ aud: undefined }), /another audience/],
    ['another issuer', await issuer.sign({ iss: 'https://evil.example' }), /another issuer/],
    ['no issuer', await issuer.sign({ iss: undefined }), /another issuer/],
    ['another algorithm', await issuer.sign({}, await makeKey('RS512')), /algorithm that is not/],
    ['no signature', issuer.unsigned(), /algorithm that is not/],
    ['HS256 by the public key', await issuer.signWithPublicKey(), /algorithm that is not/],
    ['forged', forged, /signature of the token is not valid/],
    ['changed', `${head}.${changed.toString('base64url')}.${signature}`, /signature of the token/],
    ['unknown key', await issuer.sign({}, stranger), /does not publish/],
    ['a bad claim', await issuer.sign({ project_id: ['P1'] }), /claim project_id/],
    ['an endless claim', await issuer.sign({ sub: 'x'.repeat(256) }), /claim sub/],
    ['no JWT', 'abcdef', /not a JSON Web Token/],
    ['three dots', 'a.b.c', /not a JSON Web Token/],
    ['too long', 'a'.repeat(8193), /longer than 8192/],
    ['two in one', `${good}, ${good}`, /characters that no token has/]
  ]
  for (const [name, token, reason] of cases) {
    const { status, headers, body } = await askWith(token)
    t.equal(status, 401, name)
    t.match(body, { error: { code: 401, message: reason } }, name)
    t.equal(headers['www-authenticate'], 'Bearer realm="tank", error="invalid_token"', name)
    for (const part of token.split('.').filter(({ length }) => length > 20)) {
      t.notOk(JSON.stringify({ headers, body }).includes(part), `${name}: not in the answer`)
      t.notOk(log.join('').includes(part), `S-02: ${name}: not in the log`)
    }
  }
  t.equal((await askWith(await issuer.sign({ exp: now - 29 }))).status, 200, 'clocks differ')
  t.equal((await askWith(await issuer.sign({ nbf: now + 29 }))).status, 200, 'clocks differ')
})

t.test('which token a request brings', async (t) => {
  const { issuer, ask } = await start(t, {}, { authenticateUri: 'https://id.example/' })
  const [one, two] = [await issuer.sign(), await issuer.sign({ sub: 'bob' })]
  const cases: [Record<string, string>, RegExp, RegExp][] = [
    [{}, /Authentication required/, /^Bearer realm="tank", Keystone uri="https:\/\/id.example\/"$/],
    [{ 'x-auth-token': one, authorization: `Bearer ${two}` }, /different tokens/, /invalid_token/],
    [{ authorization: 'Basic YTpi' }, /not "Bearer" and a token/, /invalid_token/],
    [{ authorization: 'Bearer' }, /not "Bearer" and a token/, /invalid_token/],
    [{ authorization: `Bearer ${one} x` }, /not "Bearer" and a token/, /invalid_token/],
    [{ 'x-auth-token': '', authorization: '' }, /Authentication required/, /^Bearer realm="tank",/],
    [{ 'x-service-token': one }, /Authentication required/, /Bearer/]
  ]
  for (const [headers, reason, challenge] of cases) {
    const answer = await ask(headers)
    t.equal(answer.status, 401)
    t.match(answer.body.error.message, reason)
    t.match(answer.headers['www-authenticate'], challenge)
  }
})

t.test('S-30: hostile names of claims and roles mean nothing', async (t) => {
  const { issuer, askWith } = await start(t, {
    claims: { roles: '__proto__.roles', domain: 'constructor.name' },
    roleMap: { admins: 'admin' }
  })
  const token = await issuer.sign({ roles: ['constructor', '__proto__', 'toString'] })
  const { body } = await askWith(token)
  t.same([body.roles, body.domain, body.readOnly], [[], null, true])
  const names = { user: 'sub', project: 'p', domain: 'd', roles: 'roles' }
  const { roles } = callerOfClaims({ roles: ['constructor', 'toString'] }, names, { a: 'admin' })
  t.same([...roles], [], 'nor in a plain object')
})

t.test('claims by path, by name with dots, and mapped roles', async (t) => {
  const roleMap = { '/cloud/admins': 'admin', staff: 'member' }
  const claims = { user: 'account.id', project: 'https://tank.example/project', roles: 'a.b.c' }
  const { issuer, askWith } = await start(t, { claims, roleMap })
  const given = { account: { id: 'u1' }, 'https://tank.example/project': 'P9', sub: undefined }
  const token = await issuer.sign({ ...given, a: { b: { c: ['staff', 'admin'] } } })
  t.match((await askWith(token)).body, {
    user: 'u1',
    project: 'P9',
    roles: ['member', 'reader']
  })
  const admin = await issuer.sign({ ...given, a: { b: { c: ['/cloud/admins'] } } })
  t.match((await askWith(admin)).body.roles, ['admin', 'member', 'reader'])
})

t.test('every algorithm of the default, and keys without an id', async (t) => {
  const { clock, issuer, askWith } = await start(t)
  issuer.keys = await Promise.all(
    ['RS256', 'RS256', 'PS256', 'ES256', 'EdDSA'].map((alg) => makeKey(alg))
  )
  clock.pass(31)
  for (const key of issuer.keys) {
    t.equal((await askWith(await issuer.sign({}, key))).status, 200, key.alg)
    const unnamed = await issuer.sign({}, key, { kid: undefined })
    t.equal((await askWith(unnamed)).status, 200, `${key.alg} without kid`)
  }
  const stranger = await issuer.sign({}, await makeKey('RS256'), { kid: undefined })
  t.match((await askWith(stranger)).body.error.message, /signature/, 'none of two keys fits')
})

t.test('rotated keys are found, and unknown ones asked for once in a while', async (t) => {
  const { clock, issuer, askWith } = await start(t)
  const old = await issuer.sign()
  t.equal((await askWith(old)).status, 200)
  const rotated = await makeKey('ES256')
  issuer.keys = [rotated]
  const fresh = await issuer.sign()
  t.equal((await askWith(fresh)).status, 401, 'asked a moment ago')
  clock.pass(31)
  const answers = await Promise.all(Array.from({ length: 20 }, () => askWith(fresh)))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(issuer.server.count('GET /keys'), 2, 'twenty callers share one question')
  t.equal((await askWith(old)).status, 401, 'the old key is gone')
  for (let n = 0; n < 20; n++) await askWith(await issuer.sign({}, await makeKey('ES256')))
  t.equal(issuer.server.count('GET /keys'), 2, 'a flood of unknown keys asks nothing')
})

t.test('keys are asked for again in time, and never used too long', async (t) => {
  const { clock, issuer, askWith } = await start(t, { keysSeconds: 100 })
  const token = await issuer.sign()
  t.equal((await askWith(token)).status, 200)
  issuer.server.mood = 'fails'
  clock.pass(60)
  t.equal((await askWith(token)).status, 200, 'the old keys serve while the issuer is away')
  clock.pass(41)
  t.equal((await askWith(token)).status, 503, 'until they are too old')
  issuer.server.mood = 'well'
  clock.pass(2)
  t.equal((await askWith(token)).status, 200)
})

for (const mood of BAD_MOODS) {
  t.test(`an issuer that ${mood}: 503, and well again without a restart`, async (t) => {
    const { clock, issuer, ask, askWith, log } = await start(t, { timeoutSeconds: 0.2 })
    const token = await issuer.sign()
    t.equal((await askWith(token)).status, 200)
    clock.pass(1000) // what is known by now is too old
    issuer.server.mood = mood
    for (const answer of [await askWith(token), await askWith('garbage')]) {
      t.equal(answer.status, 503)
      t.equal(answer.headers['retry-after'], '5')
      t.match(answer.body.error.message, /^The identity service cannot be asked/)
    }
    t.equal((await ask()).status, 401, 'without a token nobody has to be asked')
    t.notOk(log.join('').includes(token), 'S-02: the log does not show the token')
    issuer.server.mood = 'well'
    clock.pass(2)
    t.equal((await askWith(await issuer.sign())).status, 200)
  })
}

t.test('documents of the issuer that may not be believed', async (t) => {
  const { clock, issuer, askWith } = await start(t)
  const token = await issuer.sign()
  t.equal((await askWith(token)).status, 200)
  const shared = { kty: 'oct', k: 'c2VjcmV0', kid: 'a' }
  const cases: [string, () => void][] = [
    [
      'of another issuer',
      () => Object.assign(issuer, { discovery: { issuer: 'https://b.example' } })
    ],
    [
      'keys over http',
      () =>
        Object.assign(issuer, {
          discovery: { jwks_uri: `${issuer.url.replace('127.0.0.1', '0.0.0.0')}/keys` }
        })
    ],
    ['no keys', () => Object.assign(issuer, { published: { keys: [] } })],
    ['a shared secret', () => Object.assign(issuer, { published: { keys: [shared] } })],
    ['no key set', () => Object.assign(issuer, { published: { keys: 'x' } })],
    [
      'a broken key',
      () => Object.assign(issuer, { published: { keys: [{ ...issuer.key.jwk, x: 'AQAB' }] } })
    ]
  ]
  for (const [name, change] of cases) {
    Object.assign(issuer, { discovery: {}, published: undefined })
    change()
    clock.pass(1000)
    t.equal((await askWith(token)).status, 503, name)
  }
})

t.test('keys at a configured place need no discovery', async (t) => {
  const clock = new Clock()
  const issuer = await FakeIssuer.open(t, clock)
  const { issuer: other, askWith } = await start(t, {
    issuer: 'not-a-url',
    jwksUri: `${issuer.url}/keys`
  })
  t.equal((await askWith(await issuer.sign({ iss: 'not-a-url' }))).status, 200)
  t.equal(issuer.server.count('GET /.well-known'), 0)
  t.same(other.server.requests, [])
})

t.test('a service token gives service roles, a bad one is refused', async (t) => {
  const { issuer, ask } = await start(t)
  const user = await issuer.sign()
  const service = await issuer.sign({ sub: 'nova', roles: ['service'] })
  const both = await ask({ 'x-auth-token': user, 'x-service-token': service })
  t.match(both.body, { user: 'ann', roles: ['member', 'reader'], serviceRoles: ['service'] })
  t.equal((await ask({ 'x-auth-token': user, 'x-service-token': 'bad' })).status, 401)
})

t.test('anonymous: no token reads, a wrong one is refused', async (t) => {
  const { issuer, ask, askWith } = await start(t, {}, { anonymous: true })
  t.same((await ask()).body, {
    user: null,
    project: null,
    domain: null,
    roles: ['reader'],
    serviceRoles: [],
    readOnly: true
  })
  t.equal((await askWith('wrong')).status, 401)
  t.equal((await ask({ authorization: 'Basic YTpi' })).status, 401)
  t.match((await askWith(await issuer.sign())).body, { user: 'ann' })
  const service = await issuer.sign({ roles: ['service'] })
  t.match((await ask({ 'x-service-token': service })).body, { user: null, serviceRoles: [] })
})
