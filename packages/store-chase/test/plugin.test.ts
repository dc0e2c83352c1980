import { newKey } from '@tank/store'
import fastify from 'fastify'
import t, { type Test } from 'tap'
import storeChase, { type ChaseStoreOptions } from '../src/index.ts'
import { collect, source } from './bodies.ts'
import { openFake } from './surroundings.ts'

async function openBackend(t: Test) {
  const backend = await openFake()
  t.teardown(() => backend.close())
  return backend
}

function openApp(t: Test) {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line) => lines.push(line) } } })
  t.teardown(() => app.close())
  return { app, lines }
}

t.test('one line brings the store into an application', async (t) => {
  const { options } = await openBackend(t)
  const { app } = openApp(t)
  await app.register(storeChase, options)
  await app.ready()
  const store = app.stores.get('chase')
  t.equal(store?.type, 'chase')
  t.equal(app.stores.default, 'chase')
  const key = newKey()
  await store?.put?.(key, source(Buffer.from('hello')))
  const image = await store?.get(key)
  t.equal(String(image && (await collect(image.body))), 'hello')
})

t.test('all wrong options in one message', async (t) => {
  const { app } = openApp(t)
  const wrong = {
    as: 'main',
    authUrl: 'swift.example',
    container: 'a/b',
    segmentSize: 1,
    prefix: '../',
    contaner: 'x'
  }
  await t.rejects(async () => app.register(storeChase, wrong as unknown as ChaseStoreOptions), {
    name: 'StoreOptionsError',
    message: /^store "main" \(chase\): /,
    faults: [
      /^\/contaner: unknown option/,
      /^\/authUrl: /,
      /^\/container: /,
      /^\/prefix: /,
      /^\/segmentSize: /
    ]
  })
})

t.test('credentials that are missing are named, each for its way to authenticate', async (t) => {
  const container = 'images'
  const cases: readonly [Partial<ChaseStoreOptions>, string][] = [
    [{ authUrl: 'https://s.example/auth/v1.0', user: 'a' }, '/key: missing (authVersion 1)'],
    [
      { authUrl: 'https://k.example:5000/v3', username: 'a' },
      '/password: missing (authVersion 3); /project: missing (authVersion 3)'
    ],
    [
      { authUrl: 'https://k.example', authVersion: 3, applicationCredentialId: 'a' },
      '/applicationCredentialSecret: missing (authVersion 3)'
    ],
    [
      { authUrl: 'https://k.example', authVersion: 1, user: 'a', key: 'b', caFile: '/none' },
      '/caFile: cannot be read: ENOENT'
    ]
  ]
  for (const [options, message] of cases) {
    const { app } = openApp(t)
    const given = { container, ...options } as ChaseStoreOptions
    await t.rejects(async () => app.register(storeChase, given), {
      name: 'StoreOptionsError',
      message: new RegExp(`store-chase: ${message.replace(/[()]/g, '\\$&')}`)
    })
  }
})

t.test('a server that is away lets the application start without it', async (t) => {
  const { options, fake } = await openBackend(t)
  const { app, lines } = openApp(t)
  fake.intercept = () => 503
  await app.register(storeChase, { ...options, maxAttempts: 2, as: 'away' })
  await app.ready()
  t.match(lines.join(''), /"store":"away".*starting without it/)
  fake.intercept = undefined
  await t.resolves(app.stores.get('away')?.check?.() ?? Promise.reject())
})

t.test('what only the operator can mend ends the start, and says how', async (t) => {
  const { options, fake } = await openBackend(t)
  const cases: readonly [Partial<ChaseStoreOptions>, RegExp][] = [
    [{ key: 'wrong' }, /does not accept the credentials \(401\): check user and key/],
    [{ container: 'none' }, /there is no container "none": make it, or set createContainer/]
  ]
  for (const [more, message] of cases) {
    const { app } = openApp(t)
    await app.register(storeChase, { ...options, ...more })
    await t.rejects(async () => app.ready(), { message })
  }
  const { app } = openApp(t)
  fake.intercept = ({ method, path }) => (method === 'PUT' && /probe/.test(path) ? 403 : undefined)
  await app.register(storeChase, options)
  const message = /the server refuses to take an object: the user may not do that \(403\)/
  await t.rejects(async () => app.ready(), { message })
  t.strictSame(fake.objects('images').names(), [])
})

t.test('S-02 the options are in no line of the log', async (t) => {
  const { options, fake } = await openBackend(t)
  const { app, lines } = openApp(t)
  fake.words = `you sent ${options.key}`
  fake.intercept = ({ path }) => (path.includes('/v1/') ? 503 : undefined)
  const canary = 'canary-temp-url-key'
  await app.register(storeChase, { ...options, maxAttempts: 1, tempUrlKey: canary })
  await app.ready()
  const log = lines.join('')
  t.match(log, /starting without it/)
  for (const secret of [options.key ?? '', canary, ...fake.tokens]) t.notMatch(log, secret)
})
