import assert from 'node:assert/strict'
import { isStoreError } from '../../errors.ts'
import { type Case, rejectsWith } from '../bench.ts'
import { collect, MiB, pattern, source } from '../streams.ts'
import { noFault, readOnly } from './skip.ts'

export const faultCases: readonly Case[] = [
  {
    name: 'a backend that refuses gives a StoreError on every call',
    skip: (traits) => noFault(traits, 'refuse'),
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(10))
      const codes = ['UNAVAILABLE', 'DENIED'] as const
      await bench.during('refuse', async () => {
        await rejectsWith(codes, () => store.stat(key))
        await rejectsWith(codes, () => store.get(key))
        const other = bench.key()
        if (store.check) await rejectsWith(codes, async () => store.check?.())
        if (store.put)
          await rejectsWith(codes, async () =>
            store.put?.(other, source(pattern(10)), { size: 10 })
          )
        // Above all it must not say "gone" of an image that it cannot see.
        if (store.delete) await rejectsWith(codes, async () => store.delete?.(key))
      })
      assert.equal((await collect((await store.get(key)).body)).length, 10)
    }
  },
  {
    name: 'a body that the backend cuts off ends with an error',
    skip: (traits) => noFault(traits, 'cut'),
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(8 * MiB))
      await bench.during('cut', async () => {
        await assert.rejects(async () => collect((await store.get(key)).body))
      })
    }
  },
  {
    name: 'a connection that is lost in the middle of a put leaves nothing, or does no harm',
    skip: (traits) => readOnly(traits) ?? noFault(traits, 'reset'),
    async run(bench) {
      const bytes = pattern(24 * MiB)
      const store = await bench.openWritable()
      for (const declared of bench.features.unknownSize ? [true, false] : [true]) {
        const key = bench.key()
        const options = declared ? { size: bytes.length } : {}
        let failure: unknown
        await bench.during('reset', async () => {
          await store.put(key, source(bytes), options).catch((error: unknown) => {
            failure = error
          })
        })
        if (failure === undefined) {
          assert(
            bytes.equals(await collect((await store.get(key)).body)),
            'the bytes that were put'
          )
          continue
        }
        assert(isStoreError(failure), `a StoreError, not ${failure}`)
        await rejectsWith('NOT_FOUND', () => store.get(key))
        // the backend could not be told while it was away: this is what the caller does later
        await store.delete(key)
        await bench.isFree(store, key)
      }
    }
  },
  {
    name: 'a slow backend is no fault',
    skip: (traits) => noFault(traits, 'slow'),
    async run(bench) {
      const bytes = pattern(3 * MiB)
      const store = await bench.open()
      const key = await bench.image(store, bytes)
      await bench.during('slow', async () => {
        assert(bytes.equals(await collect((await store.get(key)).body)))
        await store.stat(key)
        await store.check?.()
        if (!store.put || !store.delete) return
        const other = bench.key()
        await store.put(other, source(bytes), { size: bytes.length })
        await store.delete(key)
      })
    }
  }
]
