import { isStoreError, newKey } from '@tank/store'
import t, { type Test } from 'tap'
import { type ChaseStoreOptions, openChaseStore } from '../src/index.ts'
import { collect, pattern, source } from './bodies.ts'
import { FakeIdentity, objectStore } from './fake-identity.ts'
import { openFake } from './surroundings.ts'

t.setTimeout(60_000)

const password = { username: 'tank', password: 'right-secret', project: 'images' }

async function openIdentity(t: Test) {
  const backend = await openFake()
  const identity = await FakeIdentity.open(backend.fake)
  t.teardown(async () => {
    await identity.close()
    await backend.close()
  })
  const open = async (options: Partial<ChaseStoreOptions>) => {
    const authUrl = `http://127.0.0.1:${identity.port}/v3`
    const store = await openChaseStore({ authUrl, container: 'images', ...options })
    t.teardown(() => store.close?.())
    return store
  }
  return { identity, open, fake: backend.fake }
}

t.test('a user with a password, and an application credential', async (t) => {
  const { identity, open } = await openIdentity(t)
  const key = newKey()
  const store = await open({ ...password, projectDomain: 'other' })
  await store.put(key, source(pattern(100)))
  t.strictSame(identity.requests, [
    {
      auth: {
        identity: {
          methods: ['password'],
          password: {
            user: { name: 'tank', domain: { name: 'Default' }, password: 'right-secret' }
          }
        },
        scope: { project: { name: 'images', domain: { name: 'other' } } }
      }
    }
  ])
  t.match(String(store.url(key)), /^http:\/\/127.0.0.1:\d+\/v1\/AUTH_test\/images\/[0-9a-f-]+$/)
  const authUrl = `http://127.0.0.1:${identity.port}/`
  const other = await open({
    authUrl,
    applicationCredentialId: 'id',
    applicationCredentialSecret: 'right-secret'
  })
  t.equal((await collect((await other.get(key)).body)).length, 100)
  t.strictSame(identity.requests.at(-1), {
    auth: {
      identity: {
        methods: ['application_credential'],
        application_credential: { id: 'id', secret: 'right-secret' }
      }
    }
  })
})

t.test('the object store is chosen by region and interface', async (t) => {
  const { identity, open, fake } = await openIdentity(t)
  const says = async (options: Partial<ChaseStoreOptions>) => {
    const store = await open({ ...password, ...options })
    const error = await store.check().then(
      () => undefined,
      (error: unknown) => error
    )
    if (error === undefined) return 'fine'
    return isStoreError(error, 'DENIED') ? error.message : String(error)
  }
  identity.grant.catalog = [
    { type: 'compute', endpoints: [] },
    objectStore('one', 1),
    objectStore('two', fake.port)
  ]
  t.equal(await says({}), 'there are several object stores: set region, one of one, two')
  t.equal(await says({ region: 'two' }), 'fine')
  t.match(
    await says({ region: 'three' }),
    /no public object store in region three \(there is one in/
  )
  t.match(await says({ region: 'two', interface: 'internal' }), /no internal object store/)
  const storageUrl = `http://127.0.0.1:${fake.port}/v1/AUTH_test`
  t.equal(await says({ storageUrl }), 'fine', 'an address of our own needs no catalogue')
  identity.grant.catalog = []
  t.match(await says({}), /the project has no public object store: check region and interface/)
})

t.test('S-02 a wrong password is DENIED, and nobody is told which', async (t) => {
  const { open } = await openIdentity(t)
  const store = await open({ ...password, password: 'canary-password' })
  const error = await store.check().catch((error: unknown) => error)
  t.ok(isStoreError(error, 'DENIED'))
  t.match(error, { message: /does not accept the credentials \(401\)/ })
  t.notMatch(JSON.stringify([error, String((error as Error).cause)]), 'canary')
})

t.test('what is no Identity API is told from it', async (t) => {
  const { open, fake } = await openIdentity(t)
  const authUrl = `http://127.0.0.1:${fake.port}/nothing/v3`
  const store = await open({ ...password, authUrl })
  fake.intercept = () => 200
  await t.rejects(store.check(), { code: 'FAILED', message: /does not speak the Identity API v3/ })
  fake.intercept = () => 404
  await t.rejects(store.check(), { code: 'FAILED', message: /check its path/ })
})

t.test('a token is renewed before it ends, by one request, and nobody waits', async (t) => {
  const { identity, open, fake } = await openIdentity(t)
  identity.grant.lifetime = 2_000
  const store = await open(password)
  const key = newKey()
  await store.put(key, source(pattern(10)))
  const first = fake.requests.at(-1)?.token
  // The last tenth of the token's life: it works, and is renewed all the same.
  while (identity.requests.length === 1) await Promise.all([store.stat(key), store.stat(key)])
  t.equal(identity.requests.length, 2)
  const begun = fake.requests.length
  while (fake.requests.at(-1)?.token === first) await store.stat(key)
  t.ok(fake.requests.slice(begun).length >= 1)
  t.equal(identity.requests.length, 2)
})

t.test('a token that the server forgot is renewed, once for all who find that out', async (t) => {
  const { identity, open, fake } = await openIdentity(t)
  const store = await open({ ...password, maxAttempts: 2 })
  const key = newKey()
  await store.put(key, source(pattern(10)))
  fake.tokens.clear()
  const all = await Promise.all(Array.from({ length: 8 }, () => store.stat(key)))
  t.equal(all.length, 8)
  t.equal(identity.requests.length, 2, 'eight callers, one renewal')
  fake.intercept = ({ path }) => (path.includes('AUTH_test') ? 401 : undefined)
  await t.rejects(store.stat(key), { code: 'DENIED', message: /does not accept the token/ })
})

t.test('calls that wait for a token end with their own signals', async (t) => {
  const { fake } = await openIdentity(t)
  const store = await openChaseStore({
    authUrl: `http://127.0.0.1:${fake.port}/auth/v1.0`,
    user: fake.user,
    key: fake.key,
    container: 'images'
  })
  t.teardown(() => store.close?.())
  fake.intercept = ({ path }) => (path === '/auth/v1.0' ? 503 : undefined)
  const reason = new Error('enough')
  const control = new AbortController()
  const impatient = store.check({ signal: control.signal }).catch((error: unknown) => error)
  const patient = store.check()
  setTimeout(() => control.abort(reason), 30)
  t.equal(await impatient, reason)
  fake.intercept = undefined
  await t.resolves(patient)
})
