import { loadConfig } from '@tank/service'
import t, { type Test } from 'tap'
import { keystoneIdentity } from '../../src/identity/keystone.ts'
import { keystoneSection } from '../../src/identity/keystone-section.ts'
import { FakeKeystone, PASSWORD } from './fake-keystone.ts'
import { BAD_MOODS } from './fake-server.ts'
import { Clock, openWhoApp, until } from './who-app.ts'

interface Shared {
  readonly anonymous?: boolean
  readonly authenticateUri?: string
}

async function start(t: Test, section: object = {}, shared: Shared = {}) {
  const clock = new Clock()
  const keystone = await FakeKeystone.open(t, clock)
  const options = loadConfig(keystoneSection, {
    overrides: {
      url: `${keystone.server.url}/v3`,
      user: 'tank',
      password: PASSWORD,
      project: 'service',
      timeoutSeconds: 1,
      ...section
    }
  })
  const app = await openWhoApp(t, (app) =>
    app.register(keystoneIdentity, {
      ...options,
      authenticateUri: '',
      anonymous: false,
      now: clock.now,
      ...shared
    })
  )
  return { clock, keystone, ...app }
}

t.test('A1: a token that Keystone knows names the caller', async (t) => {
  const { keystone, ask, askWith } = await start(t)
  const ann = {
    user: 'ann',
    project: 'P1',
    domain: 'D1',
    roles: ['member', 'reader'],
    serviceRoles: [],
    readOnly: false
  }
  const token = keystone.give()
  t.same((await askWith(token)).body, ann)
  t.same((await ask({ authorization: `Bearer ${token}` })).body, ann)
  t.same(keystone.logins, [
    {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'tank', domain: { name: 'Default' }, password: PASSWORD } }
        },
        scope: { project: { name: 'service', domain: { name: 'Default' } } }
      }
    }
  ])
  const reader = keystone.give({ roles: [{ name: 'Reader' }] })
  t.match((await askWith(reader)).body, { roles: ['reader'], readOnly: true })
  const admin = keystone.give({ roles: [{ name: 'admin' }] })
  t.match((await askWith(admin)).body, { roles: ['admin', 'member', 'reader'], readOnly: false })
})

t.test('scopes: none, a domain, the system', async (t) => {
  const { keystone, askWith } = await start(t)
  const roles = [{ name: 'admin' }]
  const seen = async (token: object) => {
    const { body } = await askWith(keystone.give({ project: undefined, ...token }))
    return [body.user, body.project, body.domain, body.roles, body.readOnly]
  }
  t.same(await seen({ roles: undefined }), ['ann', null, null, [], true])
  const domain = { id: 'D2' }
  t.same(await seen({ domain, roles }), ['ann', null, 'D2', [], true], 'no administrator of images')
  const all = ['admin', 'member', 'reader']
  t.same(await seen({ system: { all: true }, roles }), ['ann', null, null, all, false])
})

t.test('HTP1, A2: refusals say where tokens come from', async (t) => {
  const { clock, keystone, ask, askWith, log } = await start(t)
  const expired = keystone.give({}, 60)
  clock.pass(61)
  const cases: [string, Record<string, string>, RegExp][] = [
    ['none', {}, /Authentication required/],
    ['empty', { 'x-auth-token': '' }, /Authentication required/],
    ['unknown', { 'x-auth-token': 'gAAAAAunknown' }, /unknown, has expired or was revoked/],
    ['expired', { 'x-auth-token': expired }, /unknown, has expired or was revoked/],
    ['too long', { 'x-auth-token': 'a'.repeat(2049) }, /longer than 2048/],
    ['far too long', { 'x-auth-token': 'a'.repeat(8193) }, /longer than 8192/],
    ['two words', { 'x-auth-token': 'a b' }, /characters that no token has/]
  ]
  for (const [name, headers, reason] of cases) {
    const answer = await ask(headers)
    t.equal(answer.status, 401, name)
    t.match(answer.body, { error: { code: 401, message: reason } }, name)
    t.equal(answer.headers['www-authenticate'], `Keystone uri="${keystone.server.url}/v3"`, name)
  }
  t.equal(keystone.questions, 2, 'what cannot be a token is not asked about')
  t.notOk(log.join('').includes(expired), 'S-02: the log does not show tokens')
  keystone.status = 400
  t.equal((await askWith('odd')).status, 401, 'a token that Keystone cannot read')
  const other = await start(t, {}, { authenticateUri: 'https://id.example:5000' })
  t.equal((await other.ask()).headers['www-authenticate'], 'Keystone uri="https://id.example:5000"')
})

t.test('tokens are remembered for cacheSeconds, then a revoked one ends', async (t) => {
  const { clock, keystone, askWith } = await start(t, { cacheSeconds: 20 })
  const token = keystone.give()
  for (let n = 0; n < 5; n++) t.equal((await askWith(token)).status, 200)
  t.equal(keystone.questions, 1)
  keystone.subjects.delete(token)
  clock.pass(19)
  t.equal((await askWith(token)).status, 200, 'still remembered')
  clock.pass(1)
  t.equal((await askWith(token)).status, 401, 'seen after cacheSeconds')
})

t.test('a token is never remembered longer than it lives', async (t) => {
  const { clock, keystone, askWith } = await start(t, { cacheSeconds: 3600 })
  const token = keystone.give({}, 10)
  t.equal((await askWith(token)).status, 200)
  clock.pass(10)
  t.equal((await askWith(token)).status, 401)
})

t.test('a refused token is asked about again after a few seconds', async (t) => {
  const { clock, keystone, askWith } = await start(t)
  const token = keystone.give()
  const subject = keystone.subjects.get(token)
  keystone.subjects.delete(token)
  for (let n = 0; n < 5; n++) t.equal((await askWith(token)).status, 401)
  t.equal(keystone.questions, 1)
  if (subject !== undefined) keystone.subjects.set(token, subject)
  clock.pass(3)
  t.equal((await askWith(token)).status, 200)
})

t.test('cacheSeconds 0 asks every time', async (t) => {
  const { keystone, askWith } = await start(t, { cacheSeconds: 0 })
  const token = keystone.give()
  for (let n = 0; n < 3; n++) t.equal((await askWith(token)).status, 200)
  t.equal(keystone.questions, 3)
  keystone.subjects.delete(token)
  t.equal((await askWith(token)).status, 401)
})

t.test('100 requests at once with one token are one question', async (t) => {
  const { keystone, askWith } = await start(t)
  const token = keystone.give()
  const answers = await Promise.all(Array.from({ length: 100 }, () => askWith(token)))
  t.ok(answers.every(({ status, body }) => status === 200 && body.user === 'ann'))
  t.equal(keystone.questions, 1)
  t.equal(keystone.logins.length, 1)
})

t.test('the memory is bounded, and refused tokens do not drive out others', async (t) => {
  const { keystone, askWith } = await start(t, { cacheEntries: 3 })
  const tokens = [1, 2, 3, 4].map(() => keystone.give())
  for (const token of tokens) await askWith(token)
  for (let n = 0; n < 10; n++) await askWith(`random-${n}`)
  const before = keystone.questions
  for (const token of tokens.slice(1)) t.equal((await askWith(token)).status, 200)
  t.equal(keystone.questions, before, 'three are remembered')
  await askWith(tokens[0] ?? '')
  t.equal(keystone.questions, before + 1, 'the oldest is not')
})

t.test('service tokens: roles, and users whose token expired meanwhile', async (t) => {
  const { clock, keystone, ask, askWith } = await start(t)
  const nova = keystone.give({ user: { id: 'nova' }, roles: [{ name: 'service' }] }, 9999)
  const user = keystone.give({}, 60)
  const both = { 'x-auth-token': user, 'x-service-token': nova }
  const expected = { user: 'ann', roles: ['member', 'reader'], serviceRoles: ['service'] }
  t.match((await ask(both)).body, expected)
  clock.pass(61)
  t.match((await ask(both)).body, expected, 'the token of the user has expired since')
  const before = keystone.questions
  t.match((await ask(both)).body, expected)
  t.equal(keystone.questions, before, 'also this is remembered')
  t.equal((await askWith(user)).status, 401, 'but for nobody else')
  const plain = keystone.give({ roles: [{ name: 'member' }] })
  t.equal((await ask({ ...both, 'x-service-token': plain })).status, 401, 'no service')
  t.equal((await ask({ ...both, 'x-service-token': 'wrong' })).status, 401, 'no token')
  t.equal((await ask({ 'x-service-token': nova })).status, 401, 'no user')
})

t.test('our own token is renewed in time, and when it is refused', async (t) => {
  const { clock, keystone, askWith } = await start(t, { cacheSeconds: 0 })
  const token = keystone.give({}, 99_999)
  t.equal((await askWith(token)).status, 200)
  clock.pass(3301)
  t.equal((await askWith(token)).status, 200, 'the old one serves while a new one is got')
  const first = keystone.used
  await until('the new one is used', 10_000, async () => {
    await askWith(token)
    return keystone.used === first ? undefined : true
  })
  t.equal(keystone.logins.length, 2, 'five minutes early')
  clock.pass(10)
  keystone.own.clear()
  const answers = await Promise.all([1, 2, 3].map(() => askWith(keystone.give())))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(keystone.logins.length, 3, 'one login for all who were refused')
  clock.pass(9999)
  t.equal((await askWith(token)).status, 200, 'long after the own token ended')
  t.equal(keystone.logins.length, 4)
})

t.test('an own token that is refused as soon as it is given makes no storm', async (t) => {
  const { clock, keystone, askWith } = await start(t, { cacheSeconds: 0 })
  t.equal((await askWith(keystone.give())).status, 200)
  clock.pass(10)
  const add = keystone.own.add.bind(keystone.own)
  keystone.own.clear()
  keystone.own.add = () => keystone.own
  for (let n = 0; n < 5; n++) t.equal((await askWith(`t${n}`)).status, 503)
  t.equal(keystone.logins.length, 2)
  keystone.own.add = add
  clock.pass(3)
  t.equal((await askWith(keystone.give())).status, 200)
})

t.test(
  'S-02: credentials that Keystone refuses: 503, named in the log, tried seldom',
  async (t) => {
    const { clock, keystone, askWith, log } = await start(t, { password: 'canary-wrong-77aa' })
    for (let n = 0; n < 5; n++) {
      const { status, body, headers } = await askWith(keystone.give())
      t.equal(status, 503)
      t.equal(headers['retry-after'], '5')
      t.equal(
        body.error.message,
        'The identity service cannot be asked. Try again in a moment.',
        'the caller is not told why'
      )
    }
    t.equal(keystone.logins.length, 1, 'Keystone may lock an account that fails too often')
    clock.pass(11)
    await askWith(keystone.give())
    t.equal(keystone.logins.length, 2)
    const text = log.join('')
    t.match(text, 'does not accept the credentials of identity.keystone')
    t.notOk(text.includes('canary-wrong'), 'the log does not show the password')
  }
)

t.test('a user that may not ask about tokens: 503, named in the log', async (t) => {
  const { keystone, askWith, log } = await start(t)
  keystone.status = 403
  t.equal((await askWith(keystone.give())).status, 503)
  t.match(log.join(''), 'give it the role service or admin')
})

t.test('answers that are no token of the Identity API', async (t) => {
  const { keystone, askWith } = await start(t)
  const user = { id: 'ann' }
  const expires_at = '2099-01-01T00:00:00Z'
  const bodies = [
    {},
    { token: {} },
    { token: { user, expires_at: 'later' } },
    { token: { user: { id: '' }, expires_at } },
    { token: { user: { id: 'x'.repeat(256) }, expires_at } },
    { token: { user, expires_at, roles: ['admin'] } },
    { token: { user, expires_at, project: { id: 7 } } }
  ]
  for (const [n, body] of bodies.entries()) {
    keystone.body = body
    t.equal((await askWith(`token-${n}`)).status, 503, JSON.stringify(body).slice(0, 80))
  }
  keystone.body = { token: { user, expires_at } }
  t.equal((await askWith('token-ok')).status, 200)
})

for (const mood of BAD_MOODS) {
  t.test(`Keystone ${mood}: 503, known tokens go on, well again by itself`, async (t) => {
    const { clock, keystone, ask, askWith, log } = await start(t, { timeoutSeconds: 0.2 })
    const known = keystone.give()
    const fresh = keystone.give()
    t.equal((await askWith(known)).status, 200)
    keystone.server.mood = mood
    const answer = await askWith(fresh)
    t.equal(answer.status, 503)
    t.equal(answer.headers['retry-after'], '5')
    t.match(answer.body.error.message, /^The identity service cannot be asked/)
    t.equal((await askWith(known)).status, 200, 'a known token goes on')
    t.equal((await ask()).status, 401, 'without a token nobody has to be asked')
    clock.pass(61)
    t.equal((await askWith(known)).status, 503, 'until it would have to be asked about')
    keystone.server.mood = 'well'
    t.equal((await askWith(fresh)).status, 200)
    const text = log.join('')
    for (const secret of [known, fresh, PASSWORD, ...keystone.own]) {
      t.notOk(text.includes(secret), 'S-02: no token and no password in the log')
    }
  })
}

t.test('an application credential in place of a password', async (t) => {
  const { keystone, askWith } = await start(t, {
    user: '',
    password: '',
    project: '',
    applicationCredentialId: 'ac1',
    applicationCredentialSecret: PASSWORD
  })
  t.equal((await askWith(keystone.give())).status, 200)
  t.same(keystone.logins, [
    {
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: 'ac1', secret: PASSWORD }
        }
      }
    }
  ])
})

t.test('the address with and without its version', async (t) => {
  for (const path of ['', '/', '/v3', '/v3/']) {
    const clock = new Clock()
    const keystone = await FakeKeystone.open(t, clock)
    const { askWith } = await start(t, { url: `${keystone.server.url}${path}` })
    t.equal((await askWith(keystone.give())).status, 200, `'${path}'`)
  }
})

t.test('anonymous: no token reads, a wrong one is refused', async (t) => {
  const { keystone, ask, askWith } = await start(t, {}, { anonymous: true })
  t.match((await ask()).body, { user: null, project: null, roles: ['reader'], readOnly: true })
  t.equal((await askWith('wrong')).status, 401)
  t.match((await askWith(keystone.give())).body, { user: 'ann' })
})
