import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import Type from 'typebox'
import {
  defineStorePlugin,
  type Store,
  StoreError,
  type StoreErrorCode,
  storesPlugin
} from '../src/index.ts'
import { memoryStore } from './memory-store.ts'

const options = Type.Object({
  size: Type.Integer({ minimum: 1, default: 10 }),
  nested: Type.Optional(Type.Object({ deep: Type.Optional(Type.Number({ default: 5 })) })),
  hook: Type.Optional(Type.Unknown()),
  override: Type.Optional(Type.Unsafe<Partial<Store>>({}))
})
const opened: unknown[] = []
const storeMemory = defineStorePlugin({
  name: 'memory',
  options,
  async open(own, context) {
    opened.push({ own, name: context.name })
    return memoryStore(new Map(), own.override)
  }
})
const storeReadOnly = defineStorePlugin({
  name: 'read-only',
  options: Type.Object({}),
  async open() {
    const { put, delete: _delete, ...store } = memoryStore(new Map())
    return store
  }
})

function build(t: Test, lines: string[] = []): FastifyInstance {
  const stream = { write: (line: string) => void lines.push(line) }
  const app = fastify({ logger: { level: 'debug', stream } })
  t.teardown(() => app.close())
  return app
}

t.test('a third party needs one line', async (t) => {
  const app = build(t)
  await app.register(storeMemory, { size: 5 })
  await app.ready()
  t.strictSame(app.stores.names(), ['memory'])
  t.equal(app.stores.default, 'memory')
  t.equal(app.stores.get('memory')?.type, 'memory')
  t.equal(app.stores.get('other'), undefined)
})

t.test('names, weights, descriptions and the default', async (t) => {
  const app = build(t)
  await app.register(storeMemory, { size: 1, as: 'one', description: 'the first', weight: 3 })
  await app.register(storeMemory, { size: 1, as: 'two', default: true })
  await app.ready()
  t.equal(app.stores.default, 'two')
  t.match(app.stores.entry('one'), { name: 'one', description: 'the first', weight: 3 })
  t.match(app.stores.entry('two'), { weight: 0, description: undefined })
})

t.test('options: defaults are filled in, frozen ones stay as they are', async (t) => {
  const hook = () => 7
  const given = Object.freeze({ as: 'main', nested: Object.freeze({}), hook })
  const app = build(t)
  await app.register(storeMemory, given as typeof given & { size: number })
  t.strictSame(opened.at(-1), { own: { size: 10, nested: { deep: 5 }, hook }, name: 'main' })
  t.strictSame(given.nested, {})
})

t.test('all faults of the options come in one message', async (t) => {
  const wrong = { size: 0, colour: 'red', nested: { deep: 'x' }, as: 'main' } as unknown
  await t.rejects(async () => build(t).register(storeMemory, wrong as { size: number }), {
    name: 'StoreOptionsError',
    message: /^store "main" \(memory\): .*; .*; /,
    faults: [/^\/colour: unknown option/, /^\/size: /, /^\/nested\/deep: /]
  })
  const common = { size: 1, weight: 'heavy', default: 'yes' } as unknown
  await t.rejects(async () => build(t).register(storeMemory, common as { size: number }), {
    message: /memory/,
    faults: [/^\/default: /, /^\/weight: /]
  })
})

t.test('names are unique and plain, and one store is the default', async (t) => {
  const app = build(t)
  await app.register(storesPlugin)
  const store = memoryStore(new Map())
  app.stores.add('a', store, { default: true })
  t.throws(() => app.stores.add('a', store), /already a store named "a"/)
  t.throws(() => app.stores.add('a,b', store), /cannot be the name/)
  t.throws(() => app.stores.add('', store), /cannot be the name/)
  t.throws(() => app.stores.add('b', store, { default: true }), /both "a" and "b"/)
  await app.ready()
  t.throws(() => app.stores.add('late', store), /too late/)
})

t.test('without a default store that can be written to there is no start', async (t) => {
  const none = build(t)
  await none.register(storesPlugin)
  await t.rejects(async () => none.ready(), /no store can be written to/)

  const reading = build(t)
  await reading.register(storeReadOnly, {})
  await t.rejects(async () => reading.ready(), /no store can be written to.*read-only/)

  const missing = build(t)
  await missing.register(storesPlugin, { default: 'main' })
  await missing.register(storeMemory, { size: 1 })
  await t.rejects(async () => missing.ready(), /default store "main" does not exist.*memory/)

  const wrong = build(t)
  await wrong.register(storesPlugin, { default: 'read-only' })
  await wrong.register(storeReadOnly, {})
  await t.rejects(async () => wrong.ready(), /"read-only" cannot be written to/)

  const content = build(t)
  await content.register(storesPlugin, { default: false })
  await content.register(storeReadOnly, {})
  await content.ready()
})

t.test('readiness: who is away may come back, who refuses us will not', async (t) => {
  const failing = (code: StoreErrorCode): Partial<Store> => ({
    check: () => Promise.reject(new StoreError(code, 'because of this'))
  })
  for (const code of ['UNAVAILABLE', 'FULL'] as const) {
    const lines: string[] = []
    const app = build(t, lines)
    await app.register(storeMemory, { size: 1, override: failing(code) })
    await app.ready()
    t.match(lines.join(''), /"level":40.*because of this.*starting without it/)
  }
  for (const code of ['DENIED', 'FAILED', 'BAD_LOCATION', 'UNSUPPORTED'] as const) {
    const app = build(t)
    await app.register(storeMemory, { size: 1, as: 'main', override: failing(code) })
    await t.rejects(async () => app.ready(), {
      message: 'store "main" (memory) cannot be used: because of this',
      cause: { code }
    })
  }
})

t.test('a backend that hangs does not hold up the start for ever', async (t) => {
  const lines: string[] = []
  const app = build(t, lines)
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  await app.register(storeMemory, {
    size: 1,
    override: { check: () => new Promise<void>(() => {}) }
  })
  await app.ready()
  t.match(lines.join(''), /starting without it/)
})

t.test('a store closes with its application', async (t) => {
  let closed = 0
  const app = fastify()
  await app.register(storeMemory, {
    size: 1,
    override: {
      async close() {
        closed += 1
      }
    }
  })
  await app.ready()
  const store = app.stores.get('memory')
  await app.close()
  t.equal(closed, 1)
  await t.rejects(async () => store?.check?.(), { code: 'UNAVAILABLE' })
})
