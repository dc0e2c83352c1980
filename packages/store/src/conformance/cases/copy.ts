import assert from 'node:assert/strict'
import { type Case, rejectsWith, type Traits } from '../bench.ts'
import { collect, MiB, pattern } from '../streams.ts'

function noCopy({ methods }: Traits): string | undefined {
  return methods.has('copy') ? undefined : 'n/a: the store has no copy'
}

export const copyCases: readonly Case[] = [
  {
    name: 'a copy has the same bytes and a life of its own',
    skip: noCopy,
    async run(bench) {
      const store = await bench.openWritable()
      for (const size of [0, 1, 12 * MiB + 5]) {
        const bytes = pattern(size)
        const from = await bench.image(store, bytes)
        const to = bench.key()
        const stored = await store.copy?.(from, to)
        assert.equal(stored?.size, size)
        await store.delete(from)
        assert(bytes.equals(await collect((await store.get(to)).body)), 'the original is gone')
        await store.delete(to)
      }
    }
  },
  {
    name: 'a copy of nothing gives NOT_FOUND and leaves nothing',
    skip: noCopy,
    async run(bench) {
      const store = await bench.openWritable()
      const to = bench.key()
      await bench.leavesNothing(store, to, () =>
        rejectsWith('NOT_FOUND', async () => store.copy?.(bench.missing(), to))
      )
    }
  }
]
