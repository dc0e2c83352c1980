import assert from 'node:assert/strict'
import { type Case, rejectsWith } from '../bench.ts'
import { collect, MiB, pattern } from '../streams.ts'
import { noRanges } from './skip.ts'

const size = 2 * MiB + 77

export const rangeCases: readonly Case[] = [
  {
    name: 'each edge of a range',
    skip: noRanges,
    async run(bench) {
      const bytes = pattern(size)
      const store = await bench.open()
      const key = await bench.image(store, bytes)
      for (const [offset, length] of [
        [0, 1],
        [0, size],
        [size - 1, 1],
        [1, size - 2],
        [MiB - 1, 2],
        [MiB, MiB],
        [size - 78, 78]
      ] as const) {
        const image = await store.get(key, { range: { offset, length } })
        if (image.size !== undefined) assert.equal(image.size, size, 'the size of the whole image')
        const part = await collect(image.body)
        assert(part.equals(bytes.subarray(offset, offset + length)), `${length} from ${offset}`)
      }
    }
  },
  {
    name: 'a range that is not within the image is refused with BAD_RANGE',
    skip: noRanges,
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(1000))
      for (const [offset, length] of [
        [1000, 1],
        [999, 2],
        [0, 1001],
        [-1, 2],
        [0, 0],
        [0.5, 1],
        [0, Number.NaN],
        [Number.MAX_SAFE_INTEGER, 1]
      ] as const) {
        await rejectsWith('BAD_RANGE', async () => {
          const { size, body } = await store.get(key, { range: { offset, length } })
          // who does not know the size finds out while reading
          if (size === undefined) await collect(body)
        })
      }
    }
  },
  {
    name: 'a store without ranges says UNSUPPORTED',
    skip: ({ features }) => (features.ranges ? 'n/a: the store sends ranges' : undefined),
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(1000))
      await rejectsWith('UNSUPPORTED', () => store.get(key, { range: { offset: 0, length: 1 } }))
    }
  }
]
