import assert from 'node:assert/strict'
import { type Case, rejectsWith, type Traits } from '../bench.ts'
import { writeAndKill } from '../killed-writer.ts'
import { MiB, pattern } from '../streams.ts'
import { readOnly } from './skip.ts'

function noWriter({ options }: Traits): string | undefined {
  const { killedWriter } = options
  if (typeof killedWriter === 'string') return `n/a: ${killedWriter}`
  return killedWriter ? undefined : 'the kit was not given a writer to kill (killedWriter)'
}

export const leftoverCases: readonly Case[] = [
  {
    name: 'a missing key gives NOT_FOUND at once, not in the stream',
    skip: ({ writable, options }) =>
      writable || options.missing
        ? undefined
        : 'the kit was not given a key without an image (missing)',
    async run(bench) {
      const store = await bench.open()
      const key = bench.missing()
      await rejectsWith('NOT_FOUND', () => store.stat(key))
      await rejectsWith('NOT_FOUND', () => store.get(key))
      if (!bench.features.ranges) return
      await rejectsWith('NOT_FOUND', () => store.get(key, { range: { offset: 0, length: 1 } }))
    }
  },
  {
    name: 'delete removes, and may be repeated',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      const key = await bench.image(store, pattern(2 * MiB))
      await store.delete(key)
      await rejectsWith('NOT_FOUND', () => store.stat(key))
      await rejectsWith('NOT_FOUND', () => store.get(key))
      await store.delete(key)
      await store.delete(bench.missing())
      await Promise.all([store.delete(key), store.delete(key)])
      await bench.isFree(store, key)
    }
  },
  {
    name: 'delete touches no other key',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      const kept = await bench.image(store, pattern(1000))
      const longer = bench.key()
      // A key that another key begins with must not be taken for its parts.
      await store.delete(kept.slice(0, 8))
      await store.delete(longer)
      const { size } = await store.stat(kept)
      assert(size === undefined || size === 1000)
    }
  },
  {
    name: 'S-40 a killed writer shows nothing, and delete takes away what it left',
    skip: (traits) => readOnly(traits) ?? noWriter(traits),
    async run(bench) {
      const writer = bench.options.killedWriter
      assert(typeof writer === 'object')
      const store = await bench.openWritable()
      for (const bytes of [0, 1, 3 * MiB, 24 * MiB]) {
        const key = bench.key()
        const before = (await bench.options.leftovers?.())?.toSorted()
        await writeAndKill(writer, key, bytes)
        await rejectsWith('NOT_FOUND', () => store.stat(key))
        await rejectsWith('NOT_FOUND', () => store.get(key))
        await store.delete(key)
        assert.deepEqual((await bench.options.leftovers?.())?.toSorted(), before)
        await bench.isFree(store, key)
      }
    }
  }
]
