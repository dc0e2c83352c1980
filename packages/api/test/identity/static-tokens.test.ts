import { randomUUID } from 'node:crypto'
import { type FoundToken, TankError } from '@tank/model'
import { newTokenSecret, tokenDigest } from '@tank/service'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { v2ErrorHandler } from '../../src/http/v2-errors.ts'
import { staticTokenIdentity } from '../../src/identity/static-tokens.ts'

/** A registry that knows tokens by their digest, and notes what it was asked for. */
class FakeRegistry {
  readonly asked: string[] = []
  readonly tokens = new Map<string, FoundToken>()
  isAway = false
  /** When set, answers wait for it. */
  held: Promise<void> | undefined

  add(fields: Partial<FoundToken> = {}): string {
    const { secret, digest } = newTokenSecret()
    this.tokens.set(digest, {
      id: randomUUID(),
      user: 'ann',
      project: 'P1',
      domain: 'D',
      roles: ['member'],
      expires_in_ms: null,
      ...fields
    })
    return secret
  }

  revoke(secret: string): void {
    this.tokens.delete(tokenDigest(secret) ?? '')
  }

  async findToken(digest: string): Promise<FoundToken | null> {
    this.asked.push(digest)
    await this.held
    if (this.isAway) throw new TankError('REGISTRY_UNAVAILABLE', 'no registry answers: canary')
    return this.tokens.get(digest) ?? null
  }
}

interface Server {
  readonly registry: FakeRegistry
  /** Milliseconds that have passed. */
  readonly clock: { now: number }
  get(headers: Record<string, string>): Promise<Answer>
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Record<string, unknown>
  /** The caller, or an error. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly body: any
}

async function open(
  t: Test,
  options: { authenticateUri?: string; anonymous?: boolean } = {}
): Promise<Server> {
  const registry = new FakeRegistry()
  const clock = { now: 0 }
  const app: FastifyInstance = fastify()
  t.teardown(() => app.close())
  app.setErrorHandler(v2ErrorHandler)
  await app.register(staticTokenIdentity, {
    registry,
    authenticateUri: '',
    anonymous: false,
    cacheSeconds: 10,
    now: () => clock.now,
    ...options
  })
  app.get('/', async ({ caller }) => ({
    ...caller,
    roles: [...caller.roles],
    serviceRoles: [...caller.serviceRoles]
  }))
  return {
    registry,
    clock,
    get: async (headers) => {
      const { statusCode, headers: answered, body } = await app.inject({ url: '/', headers })
      return { status: statusCode, text: body, headers: answered, body: JSON.parse(body) }
    }
  }
}

t.test('A1 a token is taken from X-Auth-Token and from Authorization: Bearer', async (t) => {
  const { registry, get } = await open(t)
  const token = registry.add()
  const caller = {
    user: 'ann',
    project: 'P1',
    domain: 'D',
    roles: ['member', 'reader'],
    serviceRoles: [],
    readOnly: false
  }
  for (const headers of [
    { 'x-auth-token': token },
    { authorization: `Bearer ${token}` },
    { authorization: `bearer  ${token} ` },
    { 'x-auth-token': token, authorization: `Bearer ${token}` },
    { 'x-auth-token': token, authorization: 'Basic eDp5' }
  ]) {
    const { status, body } = await get(headers as Record<string, string>)
    t.strictSame([status, body], [200, caller], JSON.stringify(Object.keys(headers)))
  }
  t.equal(registry.asked.length, 1)
  const two = await get({ 'x-auth-token': registry.add(), authorization: `Bearer ${token}` })
  t.equal(two.status, 401, 'two that differ are none')
})

t.test('HTP1 without a valid token: 401 with a challenge', async (t) => {
  const { registry, get } = await open(t)
  const revoked = registry.add()
  registry.revoke(revoked)
  const none = await get({})
  t.match(none, { status: 401, body: { error: { code: 401, message: /X-Auth-Token/ } } })
  t.equal(none.headers['www-authenticate'], 'Bearer realm="tank"')
  const wrong = ['x', '', 'tank_', `${revoked}x`, revoked.slice(0, -1), revoked.toUpperCase()]
  for (const token of [revoked, ...wrong]) {
    const { status, headers, text } = await get({ authorization: `Bearer ${token}` })
    t.equal(status, 401, token)
    t.equal(headers['www-authenticate'], 'Bearer realm="tank", error="invalid_token"')
    if (token.length > 5) t.notOk(text.includes(token), 'S-02 not echoed')
  }
  t.strictSame(registry.asked, [tokenDigest(revoked)], 'what cannot be a token is not asked for')
  const keystone = await open(t, { authenticateUri: 'https://id.test/v3' })
  const { headers } = await keystone.get({})
  t.equal(
    headers['www-authenticate'],
    'Bearer realm="tank", Keystone uri="https://id.test/v3"',
    'A2 for clients of Keystone'
  )
})

t.test('VS6 POL1 roles in any letter case; reader alone only reads', async (t) => {
  const { registry, get } = await open(t)
  const get1 = async (roles: string[]) =>
    (await get({ 'x-auth-token': registry.add({ roles }) })).body
  t.match(await get1(['Admin']), { roles: ['admin', 'member', 'reader'], readOnly: false })
  t.match(await get1(['reader']), { roles: ['reader'], readOnly: true })
  t.match(await get1(['service']), { roles: ['service'], readOnly: false })
  t.match(await get1([]), { roles: [], readOnly: true })
})

t.test('POL5 S-11 identity headers are not believed', async (t) => {
  const { registry, get } = await open(t)
  const forged = {
    'x-identity-status': 'Confirmed',
    'x-roles': 'admin',
    'x-project-id': 'P2',
    'x-user-id': 'bob',
    'x-service-roles': 'service'
  }
  t.equal((await get(forged)).status, 401)
  const { body } = await get({ ...forged, 'x-auth-token': registry.add({ roles: ['reader'] }) })
  t.match(body, { user: 'ann', project: 'P1', roles: ['reader'], serviceRoles: [], readOnly: true })
})

t.test('A1 a service token brings service roles, a wrong one is refused', async (t) => {
  const { registry, get } = await open(t)
  const token = registry.add()
  const service = registry.add({ roles: ['Service'], project: 'services' })
  const both = await get({ 'x-auth-token': token, 'x-service-token': service })
  t.match(both.body, { project: 'P1', roles: ['member', 'reader'], serviceRoles: ['service'] })
  const alone = await get({ 'x-auth-token': token })
  t.strictSame(alone.body.serviceRoles, [], 'what is remembered is without it')
  t.equal((await get({ 'x-auth-token': token, 'x-service-token': 'x' })).status, 401)
  t.equal((await get({ 'x-service-token': service })).status, 401)
})

t.test('S-48 S-03 a revoked token is refused when cacheSeconds have passed', async (t) => {
  const { registry, clock, get } = await open(t)
  const token = registry.add()
  const status = async () => (await get({ 'x-auth-token': token })).status
  t.equal(await status(), 200)
  registry.revoke(token)
  clock.now = 9999
  t.equal(await status(), 200)
  clock.now = 10_000
  t.equal(await status(), 401)
  t.equal(registry.asked.length, 2)
})

t.test('S-48 time counts from before the registry was asked', async (t) => {
  const { registry, clock, get } = await open(t)
  const token = registry.add()
  let release = () => {}
  registry.held = new Promise((resolve) => {
    release = resolve
  })
  const slow = get({ 'x-auth-token': token })
  while (registry.asked.length === 0) await new Promise(setImmediate)
  clock.now = 4000
  release()
  t.equal((await slow).status, 200)
  registry.revoke(token)
  clock.now = 10_000
  t.equal((await get({ 'x-auth-token': token })).status, 401)
})

t.test('S-48 a token is never believed for longer than it lives', async (t) => {
  const { registry, clock, get } = await open(t)
  const token = registry.add({ expires_in_ms: 300 })
  t.equal((await get({ 'x-auth-token': token })).status, 200)
  registry.revoke(token)
  clock.now = 299
  t.equal((await get({ 'x-auth-token': token })).status, 200)
  clock.now = 300
  t.equal((await get({ 'x-auth-token': token })).status, 401)
})

t.test('a token that is unknown is asked for again after a second', async (t) => {
  const { registry, clock, get } = await open(t)
  const { secret } = newTokenSecret()
  for (clock.now = 0; clock.now < 1000; clock.now += 250) await get({ 'x-auth-token': secret })
  t.equal(registry.asked.length, 1)
  await get({ 'x-auth-token': secret })
  t.equal(registry.asked.length, 2)
})

t.test('a hundred requests at once ask once', async (t) => {
  const { registry, get } = await open(t)
  const token = registry.add()
  let release = () => {}
  registry.held = new Promise((resolve) => {
    release = resolve
  })
  const all = Array.from({ length: 100 }, () => get({ 'x-auth-token': token }))
  const first = get({ 'x-auth-token': token })
  while (registry.asked.length === 0) await new Promise(setImmediate)
  release()
  for (const { status } of [...(await Promise.all(all)), await first]) t.equal(status, 200)
  t.equal(registry.asked.length, 1)
})

t.test('without a registry: 503, and what is remembered goes on', async (t) => {
  const { registry, clock, get } = await open(t)
  const [known, other] = [registry.add(), registry.add()]
  t.equal((await get({ 'x-auth-token': known })).status, 200)
  registry.isAway = true
  clock.now = 9000
  t.equal((await get({ 'x-auth-token': known })).status, 200)
  const away = await get({ 'x-auth-token': other })
  t.match(away, { status: 503, headers: { 'retry-after': '5' } })
  t.match(away.body, { error: { message: /cannot be asked. Try again/ } })
  t.notMatch(away.text, /canary/)
  clock.now = 10_000
  t.equal((await get({ 'x-auth-token': known })).status, 503, 'never longer than that')
  registry.isAway = false
  for (const token of [known, other]) t.equal((await get({ 'x-auth-token': token })).status, 200)
})

t.test('anonymous: no token reads, a wrong one is refused', async (t) => {
  const { get } = await open(t, { anonymous: true })
  t.match(await get({}), {
    status: 200,
    body: { project: null, roles: ['reader'], readOnly: true }
  })
  t.equal((await get({ 'x-auth-token': newTokenSecret().secret })).status, 401)
})
