import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { guard, isKey, isStoreError, newKey, type Store, StoreError } from '../src/index.ts'
import { memoryStore } from './memory-store.ts'

const key = newKey()

function guarded(overrides: Partial<Store>, log?: Parameters<typeof guard>[2]): Required<Store> {
  return guard('main', memoryStore(new Map(), overrides), log) as Required<Store>
}

async function caught(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

t.test('a StoreError is known by its brand, not by its class', async (t) => {
  const brand = Symbol.for('tank.store-error')
  const foreign = Object.assign(new Error('x'), { [brand]: true, code: 'FULL' })
  t.ok(isStoreError(foreign))
  t.ok(isStoreError(foreign, 'FULL'))
  t.notOk(isStoreError(foreign, 'DENIED'))
  t.notOk(isStoreError(Object.assign(new Error('x'), { code: 'FULL' })))
  for (const other of [undefined, null, 'FULL', 1]) t.notOk(isStoreError(other))
})

t.test('S-26 keys are ours: random, lower case, and without a way out', async (t) => {
  t.ok(isKey(newKey()))
  t.not(newKey(), newKey())
  for (const bad of ['', '.', '..', 'a/b', 'A', '-a', 'a.b', 'a_b', 'a'.repeat(65), 'é', 7]) {
    t.notOk(isKey(bad), String(bad))
  }
})

t.test('every failure but an abort leaves as a StoreError with its cause', async (t) => {
  const below = new TypeError('from below')
  const fail = () => Promise.reject(below)
  const store = guarded({
    stat: fail,
    get: fail,
    put: fail,
    delete: fail,
    check: fail,
    close: fail
  })
  for (const run of [
    () => store.stat(key),
    () => store.get(key),
    () => store.put(key, Readable.from([])),
    () => store.delete(key),
    () => store.check(),
    () => store.close()
  ]) {
    t.match(await caught(run), { name: 'StoreError', code: 'FAILED', cause: below })
  }
  const full = new StoreError('FULL', 'no room')
  t.equal(await caught(() => guarded({ stat: () => Promise.reject(full) }).stat(key)), full)
  const thrown = guarded({
    stat: () => {
      throw below
    }
  })
  t.match(await caught(() => thrown.stat(key)), { code: 'FAILED', cause: below })
})

t.test('an abort leaves as the reason itself, whatever the store makes of it', async (t) => {
  for (const reason of [new Error('stop'), 'a text', { an: 'object' }]) {
    const control = new AbortController()
    const store = guarded({
      async stat() {
        control.abort(reason)
        throw new StoreError('UNAVAILABLE', 'aborted below')
      }
    })
    t.equal(await caught(() => store.stat(key, { signal: control.signal })), reason)
  }
})

t.test('a put whose numbers do not agree is taken back', async (t) => {
  const deleted: string[] = []
  const remember = async (key: string) => {
    deleted.push(key)
  }
  const careless = guarded({
    async put(_key, body) {
      await pipeline(body, new PassThrough().resume())
      return { size: 7 }
    },
    delete: remember
  })
  const bytes = () => Readable.from([Buffer.alloc(5)])
  t.match(await caught(() => careless.put(key, bytes(), { size: 5 })), { code: 'SIZE_MISMATCH' })
  t.match(await caught(() => careless.put(key, bytes())), { code: 'SIZE_MISMATCH' })
  t.match(await caught(() => careless.put(key, bytes(), { size: 7 })), { code: 'SIZE_MISMATCH' })
  t.strictSame(deleted, [key, key, key])
})

t.test('S-06 a body is cut at its declared size and at the largest size', async (t) => {
  let taken = 0
  const store = guarded({
    features: { ranges: true, unknownSize: true, exclusive: true, maxSize: 1000 },
    async put(_key, body) {
      const counted = new PassThrough().on('data', (chunk) => {
        taken += chunk.length
      })
      await pipeline(body, counted)
      return { size: taken }
    }
  })
  const endless = () => new Readable({ read: endlessly })
  function endlessly(this: Readable) {
    this.push(Buffer.alloc(100))
  }
  t.match(await caught(() => store.put(key, endless(), { size: 500 })), { code: 'SIZE_MISMATCH' })
  t.match(await caught(() => store.put(key, endless())), { code: 'TOO_LARGE' })
  t.match(await caught(() => store.put(key, endless(), { size: 1001 })), { code: 'TOO_LARGE' })
  t.ok(taken < 100_000, 'the sender is stopped')
  for (const size of [-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) {
    const error = await caught(() => store.put(key, endless(), { size }))
    t.ok(isStoreError(error), `${size}`)
  }
})

t.test('the count does not take bytes from the reader', async (t) => {
  const images = new Map<string, Buffer>()
  const { put: keep = async () => ({ size: 0 }) } = memoryStore(images)
  // A reader that waits, looks, and only then takes the bytes.
  const store = guarded({
    async put(key, body, options) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      await new Promise((resolve) => body.once('readable', resolve))
      return keep(key, body, options)
    }
  })
  const bytes = Buffer.from('all of it')
  t.strictSame(await store.put(key, Readable.from([bytes])), { size: bytes.length })
  t.strictSame(images.get(key), bytes)
})

t.test('what a store cannot do it is not asked for', async (t) => {
  const features = { ranges: false, unknownSize: false, exclusive: false }
  const store = guarded({ features })
  const range = { offset: 0, length: 1 }
  t.match(await caught(() => store.get(key, { range })), { code: 'UNSUPPORTED' })
  t.match(await caught(() => store.put(key, Readable.from([]))), { code: 'UNSUPPORTED' })
  const { put, delete: _delete, check, url, ...least } = memoryStore(new Map())
  const bare = guard('bare', least)
  t.strictSame(
    [bare.put, bare.delete, bare.check, bare.url, bare.accepts],
    Array(5).fill(undefined)
  )
  t.equal(guard('again', bare), bare, 'a guarded store is not guarded twice')
})

t.test('a pump that is refused before it begins closes its source', async (t) => {
  const body = Readable.from([Buffer.alloc(1)])
  const pump = async () => {
    t.fail('the store was asked')
  }
  const store = guarded({ get: async () => ({ size: 1, body, pump }) })
  const source = await store.get(key)
  const reason = new Error('too late')
  const signal = AbortSignal.abort(reason)
  t.equal(await caught(() => source.pump?.(new PassThrough(), { signal })), reason)
  t.ok(body.destroyed)
})

t.test('S-02 timings are logged, queries of locations are not', async (t) => {
  const lines: Record<string, unknown>[] = []
  const log = { debug: (fields: object) => void lines.push({ ...fields }) }
  const store = guarded({ accepts: () => true, stat: async () => ({ size: 1 }) }, log)
  await store.stat('https://images.example/a.img?signature=secret')
  await caught(() => store.get('https://images.example/b.img?signature=secret'))
  t.match(lines, [
    { store: 'main', method: 'stat', key: 'https://images.example/a.img', ms: Number, code: 'OK' },
    { method: 'get', code: 'NOT_FOUND' }
  ])
  t.notMatch(JSON.stringify(lines), 'secret')
})

t.test('features are what they were at the start', async (t) => {
  const features = { ranges: true, unknownSize: true, exclusive: true }
  const store = guarded({ features })
  features.ranges = false
  t.equal(store.features.ranges, true)
})
