import assert from 'node:assert/strict'
import type { Store } from '../../store.ts'
import { type Case, rejectsWith } from '../bench.ts'
import { firstBytes, MiB, pattern, source } from '../streams.ts'

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
        await rejectsWith('UNAVAILABLE', async () =>
          store.put?.(late, source(pattern(10)), { size: 10 })
        )
      }
      if (store.delete) await rejectsWith('UNAVAILABLE', async () => store.delete?.(key))
      if (store.check) await rejectsWith('UNAVAILABLE', async () => store.check?.())
    }
  }
]
