import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../store.ts'
import { type Case, rejectsWith } from '../bench.ts'
import { collect, firstBytes, MiB, pattern, source } from '../streams.ts'
import { noFault } from './skip.ts'

export const lifecycleCases: readonly Case[] = [
  {
    name: 'type, features and methods stay what they are',
    async run(bench) {
      const shape = (store: Store) => ({
        type: store.type,
        features: store.features,
        methods: Object.entries(store)
          .filter(([, value]) => typeof value === 'function')
          .map(([name]) => name)
      })
      const [one, two] = [await bench.open(), await bench.open()]
      const before = shape(one)
      assert.match(before.type, /^[a-z0-9][a-z0-9-]*$/)
      await bench.image(one, pattern(10))
      assert.deepEqual(shape(one), before)
      assert.deepEqual(shape(two), before)
      assert.equal(one.put === undefined, one.delete === undefined, 'put and delete go together')
    }
  },
  {
    name: 'check resolves while the backend is well',
    async run(bench) {
      const store = await bench.open()
      await store.check?.()
      await Promise.all([store.check?.(), store.check?.()])
    }
  },
  {
    name: 'S-02 url names the image without credentials',
    async run(bench) {
      const store = await bench.open()
      const url = store.url?.(await bench.image(store, pattern(10)))
      assert.equal(`${url?.username ?? ''}${url?.password ?? ''}`, '')
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
  },
  {
    name: 'a body that nobody reads to its end can be destroyed',
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(4 * MiB))
      for (let round = 0; round < 20; round += 1) {
        const { body } = await store.get(key)
        if (round % 2 === 0) await firstBytes(body)
        await new Promise((resolve) => body.once('close', resolve).destroy())
      }
    }
  },
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
        if (store.put) await rejectsWith(codes, async () => store.put?.(other, source(pattern(10))))
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
    name: 'calls after close reject, and close may be repeated',
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(10))
      await store.close?.()
      await store.close?.()
      await rejectsWith('UNAVAILABLE', () => store.stat(key))
      await rejectsWith('UNAVAILABLE', () => store.get(key))
      const late = bench.missing()
      if (store.put) {
        await rejectsWith('UNAVAILABLE', async () => store.put?.(late, source(pattern(10))))
      }
      if (store.delete) await rejectsWith('UNAVAILABLE', async () => store.delete?.(key))
      if (store.check) await rejectsWith('UNAVAILABLE', async () => store.check?.())
    }
  }
]
