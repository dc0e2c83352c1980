import { isStoreError, newKey } from '@tank/store'
import t from 'tap'
import { openChaseStore } from '../src/index.ts'
import { collect, pattern, source } from './bodies.ts'
import { fakeServer, type Server, smallServer } from './surroundings.ts'

t.setTimeout(120_000)

// Two levels of manifests with four entries each, and objects that must be smaller than a segment
// as the options have it.
const narrow = { maxFileSize: 2_000_000, maxSegments: 4 }

const nesting: readonly Server[] = [smallServer(), fakeServer('a narrow fake Swift', narrow)]

for (const server of nesting) {
  t.test(server.name, server.skip === undefined ? {} : { skip: server.skip }, async (t) => {
    const backend = await server.open()
    t.teardown(() => backend.close())

    t.test('images larger than an object, and than what one manifest can name', async (t) => {
      const store = await openChaseStore({ ...backend.options, segmentSize: 100_000 })
      t.teardown(() => store.close?.())
      for (const [size, objects] of [
        [400_000, 5],
        [400_001, 8],
        [1_600_000, 21]
      ] as const) {
        for (const declared of [{ size }, {}]) {
          const [key, copy] = [newKey(), newKey()]
          const bytes = pattern(size)
          await store.put(key, source(bytes), declared)
          t.equal((await backend.names()).length, objects)
          await store.copy(key, copy)
          await store.delete(key)
          t.equal((await backend.names()).length, objects)
          t.ok(bytes.equals(await collect((await store.get(copy)).body)))
          const range = { offset: 399_999, length: 1 }
          const part = await collect((await store.get(copy, { range })).body)
          t.ok(part.equals(bytes.subarray(399_999, 400_000)))
          await store.delete(copy)
          t.strictSame(await backend.names(), [])
        }
      }
    })

    t.test('segments are no larger than the server takes', async (t) => {
      const store = await openChaseStore(backend.options)
      t.teardown(() => store.close?.())
      const key = newKey()
      const bytes = pattern(5_000_000)
      await store.put(key, source(bytes), { size: bytes.length })
      t.equal((await backend.names()).length, 4)
      t.ok(bytes.equals(await collect((await store.get(key)).body)))
      await store.delete(key)
    })

    t.test('more than fits is TOO_LARGE, and leaves nothing', async (t) => {
      const store = await openChaseStore({ ...backend.options, segmentSize: 65_536 })
      t.teardown(() => store.close?.())
      const key = newKey()
      const bytes = pattern(16 * 65_536 + 1)
      const error = await store.put(key, source(bytes)).catch((error: unknown) => error)
      t.ok(isStoreError(error, 'TOO_LARGE'), `${error}`)
      t.strictSame(await backend.names(), [])
      // Of known size, the segments are larger instead.
      t.strictSame(await store.put(key, source(bytes), { size: bytes.length }), {
        size: bytes.length
      })
      t.ok(bytes.equals(await collect((await store.get(key)).body)))
      await store.delete(key)
    })
  })
}

t.test('segments that are larger than memory are sent as they come', async (t) => {
  const backend = await fakeServer('', { ...narrow, gateway: true }).open()
  t.teardown(() => backend.close())
  const store = await openChaseStore({ ...backend.options, segmentSize: 65_536 })
  t.teardown(() => store.close?.())
  for (const [size, declared] of [
    [3_000_000, true],
    [400_000, false]
  ] as const) {
    const key = newKey()
    const bytes = pattern(size)
    await store.put(key, source(bytes), declared ? { size } : {})
    t.ok((await backend.names()).length <= 5)
    t.ok(bytes.equals(await collect((await store.get(key)).body)))
    await store.delete(key)
    t.strictSame(await backend.names(), [])
  }
})
