import assert from 'node:assert/strict'
import type { Case } from '../bench.ts'
import { collect, MiB, pattern, source } from '../streams.ts'
import { readOnly } from './skip.ts'

const sizes = [0, 1, 5 * MiB + 1]

export const roundTripCases: readonly Case[] = [
  {
    name: 'empty, one byte and 5 MiB + 1 come back as they went in',
    async run(bench) {
      const store = await bench.open()
      for (const size of sizes) {
        const bytes = pattern(size)
        const key = await bench.image(store, bytes)
        const stat = await store.stat(key)
        if (stat.size !== undefined) assert.equal(stat.size, size, 'stat says the size')
        const image = await store.get(key)
        if (image.size !== undefined) assert.equal(image.size, size, 'get says the size')
        assert(bytes.equals(await collect(image.body)), `${size} bytes are the same`)
      }
    }
  },
  {
    name: 'a body of undeclared size, in odd chunks, is stored whole',
    skip: (traits) =>
      readOnly(traits) ??
      (traits.features.unknownSize ? undefined : 'n/a: the store must know the size beforehand'),
    async run(bench) {
      const store = await bench.openWritable()
      for (const [size, chunk] of [
        [0, 1],
        [3_001, 7],
        [2 * MiB + 12_345, 100_003]
      ] as const) {
        const bytes = pattern(size)
        const key = bench.key()
        assert.deepEqual(await store.put(key, source(bytes, { chunk })), { size })
        assert(bytes.equals(await collect((await store.get(key)).body)))
      }
    }
  },
  {
    name: 'what one instance wrote, a fresh one reads',
    skip: readOnly,
    async run(bench) {
      const bytes = pattern(100_000)
      const first = await bench.openWritable()
      const key = await bench.image(first, bytes)
      await first.close?.()
      const second = await bench.open()
      assert(bytes.equals(await collect((await second.get(key)).body)))
    }
  },
  {
    name: 'images written and read at once do not mix',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      const images = Array.from({ length: 8 }, (_, index) => pattern(300_000 + index * 33_333))
      const keys = await Promise.all(images.map((bytes) => bench.image(store, bytes)))
      await Promise.all(
        keys.map(async (key, index) => {
          assert(images[index]?.equals(await collect((await store.get(key)).body)))
        })
      )
    }
  }
]
