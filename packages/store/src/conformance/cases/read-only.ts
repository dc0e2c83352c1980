import assert from 'node:assert/strict'
import { isWritable } from '../../store.ts'
import type { Case } from '../bench.ts'
import { pattern } from '../streams.ts'

export const readOnlyCases: readonly Case[] = [
  {
    name: 'a read-only store has neither put nor delete',
    skip: ({ writable }) => (writable ? 'n/a: the store can be written to' : undefined),
    async run(bench) {
      const store = await bench.open()
      assert.equal(store.put, undefined)
      assert.equal(store.delete, undefined)
      assert.equal(isWritable(store), false)
    }
  },
  {
    name: 'a store of outside locations accepts the URLs that it can read',
    skip: ({ writable }) => (writable ? 'n/a: the store makes its own keys' : undefined),
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(10))
      if (store.accepts === undefined) return
      assert(store.accepts(new URL(key)))
      assert.equal(store.accepts(new URL('file:///etc/passwd')), false)
    }
  }
]
