import assert from 'node:assert/strict'
import { isStoreError } from '../../errors.ts'
import { type Case, rejectsWith } from '../bench.ts'
import { MiB, pattern, source } from '../streams.ts'
import { noFault, readOnly } from './skip.ts'

const bytes = pattern(3 * MiB + 9)

export const sizeCases: readonly Case[] = [
  {
    name: 'S-06 a body shorter or longer than declared gives SIZE_MISMATCH and leaves nothing',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      for (const size of [bytes.length + 1, bytes.length - 1, 0, 1, 50 * MiB]) {
        const key = bench.key()
        await bench.leavesNothing(store, key, () =>
          rejectsWith('SIZE_MISMATCH', () => store.put(key, source(bytes), { size }))
        )
      }
      const key = bench.key()
      await bench.leavesNothing(store, key, () =>
        rejectsWith('SIZE_MISMATCH', () => store.put(key, source(Buffer.alloc(0)), { size: 1 }))
      )
    }
  },
  {
    name: 'a source that fails leaves nothing, and its error is the cause',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      for (const length of [0, 1, bytes.length]) {
        const key = bench.key()
        const failure = new Error('the sender went away')
        const body = source(bytes.subarray(0, length), { ending: failure })
        await bench.leavesNothing(store, key, () =>
          assert.rejects(store.put(key, body, { size: 10 * MiB }), (error: unknown) => {
            assert(isStoreError(error), `a StoreError, not ${error}`)
            return causes(error).includes(failure)
          })
        )
      }
    }
  },
  {
    name: 'a source that was destroyed without an error leaves nothing',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      const key = bench.key()
      await bench.leavesNothing(store, key, async () => {
        const body = source(bytes, { ending: 'stall' })
        setTimeout(() => body.destroy(), 50)
        await rejectsWith('FAILED', () => store.put(key, body, { size: 10 * MiB }))
        const gone = source(bytes).destroy()
        await rejectsWith('FAILED', () => store.put(key, gone, { size: bytes.length }))
      })
    }
  },
  {
    name: 'an image over the largest size gives TOO_LARGE',
    skip: (traits) =>
      readOnly(traits) ??
      (traits.features.maxSize === undefined ? 'n/a: the store names no largest size' : undefined),
    async run(bench) {
      const store = await bench.openWritable()
      const key = bench.key()
      const size = (bench.features.maxSize ?? 0) + 1
      await bench.leavesNothing(store, key, () =>
        rejectsWith('TOO_LARGE', () => store.put(key, source(bytes), { size }))
      )
    }
  },
  {
    name: 'a backend without room gives FULL and leaves nothing',
    skip: (traits) => readOnly(traits) ?? noFault(traits, 'full'),
    async run(bench) {
      const store = await bench.openWritable()
      const key = bench.key()
      await bench.leavesNothing(store, key, () =>
        bench.during('full', () =>
          rejectsWith('FULL', () => store.put(key, source(bytes), { size: bytes.length }))
        )
      )
    }
  }
]

function causes(error: unknown): unknown[] {
  const chain = []
  for (let at = error; at instanceof Error; at = at.cause) chain.push(at)
  return chain
}
