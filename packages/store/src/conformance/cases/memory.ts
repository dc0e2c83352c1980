import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WritableStore } from '../../store.ts'
import type { Case, Traits } from '../bench.ts'
import { collect, firstBytes, MiB, pattern } from '../streams.ts'
import { readOnly } from './skip.ts'

const PUT_MIB = 192
const DEFAULT_LIMIT = 128

/** Puts a body that is made while it is read; says how many MiB of buffers were held at most. */
async function peakOf(store: WritableStore, key: string, declared: boolean): Promise<number> {
  const before = process.memoryUsage().arrayBuffers
  let peak = 0
  function* blocks(): Generator<Buffer> {
    for (let index = 0; index < PUT_MIB; index += 1) {
      yield Buffer.alloc(MiB, index)
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
    }
  }
  const body = Readable.from(blocks(), { objectMode: false })
  await store.put(key, body, declared ? { size: PUT_MIB * MiB } : {})
  return Math.round(peak / MiB)
}

function noBound({ options: { memoryMiB } }: Traits): string | undefined {
  return typeof memoryMiB === 'string' ? `n/a: ${memoryMiB}` : undefined
}

export const memoryCases: readonly Case[] = [
  {
    name: 'memory is bounded, however large the image',
    skip: (traits) => readOnly(traits) ?? noBound(traits),
    async run(bench) {
      const limit = Number(bench.options.memoryMiB ?? DEFAULT_LIMIT)
      const store = await bench.openWritable()
      for (const declared of bench.features.unknownSize ? [true, false] : [true]) {
        const key = bench.key()
        const peak = await peakOf(store, key, declared)
        assert(peak <= limit, `a put held ${peak} MiB of buffers, more than ${limit}`)
        await store.delete(key)
      }
    }
  },
  {
    name: 'S-28 a slow reader keeps memory flat',
    async run(bench) {
      const bytes = pattern(64 * MiB)
      const store = await bench.open()
      const key = await bench.image(store, bytes)
      const before = process.memoryUsage().arrayBuffers
      const { body } = await store.get(key)
      const first = await firstBytes(body)
      await sleep(400)
      const held = process.memoryUsage().arrayBuffers - before
      assert(held < 16 * MiB, `${Math.round(held / MiB)} MiB are held for a reader that waits`)
      const rest = await collect(body)
      assert(bytes.equals(Buffer.concat([first, rest])))
    }
  }
]
