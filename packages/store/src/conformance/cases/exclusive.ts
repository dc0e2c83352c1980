import assert from 'node:assert/strict'
import { isStoreError } from '../../errors.ts'
import { type Case, rejectsWith, type Traits } from '../bench.ts'
import { collect, MiB, pattern, source } from '../streams.ts'
import { readOnly } from './skip.ts'

function shared(traits: Traits): string | undefined {
  const reason = 'n/a: the backend cannot refuse a second put of a key'
  return readOnly(traits) ?? (traits.features.exclusive ? undefined : reason)
}

export const exclusiveCases: readonly Case[] = [
  {
    name: 'a taken key gives EXISTS and keeps its bytes',
    skip: shared,
    async run(bench) {
      const store = await bench.openWritable()
      const bytes = pattern(70_000)
      const key = await bench.image(store, bytes)
      await rejectsWith('EXISTS', () => store.put(key, source(pattern(10)), { size: 10 }))
      const size = 3 * MiB
      await rejectsWith('EXISTS', () => store.put(key, source(pattern(size)), { size }))
      assert(bytes.equals(await collect((await store.get(key)).body)))
    }
  },
  {
    name: 'of two puts of one key at once, one wins',
    skip: shared,
    async run(bench) {
      const [one, two] = [await bench.openWritable(), await bench.openWritable()]
      const key = bench.key()
      const images = [pattern(2 * MiB), pattern(2 * MiB + 1)] as const
      const ends = await Promise.allSettled([
        one.put(key, source(images[0]), { size: images[0].length }),
        two.put(key, source(images[1]), { size: images[1].length })
      ])
      const won = ends.findIndex(({ status }) => status === 'fulfilled')
      const lost = ends[1 - won]
      assert(won >= 0, 'one of them succeeds')
      assert(
        lost?.status === 'rejected' && isStoreError(lost.reason, 'EXISTS'),
        'the other does not'
      )
      assert(images[won]?.equals(await collect((await one.get(key)).body)), 'and it is whole')
    }
  }
]
