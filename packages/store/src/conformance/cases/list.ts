import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store, StoredEntry } from '../../store.ts'
import { type Case, rejectsWithReason, type Traits } from '../bench.ts'
import { writeAndKill } from '../killed-writer.ts'
import { MiB, pattern } from '../streams.ts'
import { readOnly } from './skip.ts'

const TRIES = 25
const TRIES_MS = 200

function noList({ methods }: Traits): string | undefined {
  return methods.has('list') ? undefined : 'n/a: the store has no list'
}

/** What is listed of these keys. */
async function listed(store: Store, keys: readonly string[]): Promise<Map<string, StoredEntry>> {
  const found = new Map<string, StoredEntry>()
  for await (const entry of store.list?.() ?? []) {
    if (!keys.includes(entry.key)) continue
    assert(!found.has(entry.key), `${entry.key} is listed once`)
    found.set(entry.key, entry)
  }
  return found
}

/** Listings of some backends lag behind for a moment. */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await check()
    } catch (error) {
      if (tries === TRIES) throw error
      await sleep(TRIES_MS)
    }
  }
}

export const listCases: readonly Case[] = [
  {
    name: 'list has every image once, with its size',
    skip: (traits) => readOnly(traits) ?? noList(traits),
    async run(bench) {
      const store = await bench.openWritable()
      const sizes = [0, 1, 3 * MiB]
      const keys: string[] = []
      for (const size of sizes) keys.push(await bench.image(store, pattern(size)))
      await eventually(async () => {
        const found = await listed(store, keys)
        assert.deepEqual([...found.keys()].sort(), [...keys].sort())
        for (const [index, key] of keys.entries()) {
          const entry = found.get(key)
          assert.equal(entry?.complete, true)
          assert.equal(entry.size, sizes[index])
          assert(entry.modified === undefined || !Number.isNaN(entry.modified.getTime()))
        }
      })
      const [first = ''] = keys
      await store.delete(first)
      await eventually(async () => {
        assert(!(await listed(store, keys)).has(first), 'what is deleted is not listed')
      })
    }
  },
  {
    name: 'list shows what a killed writer left, as not complete',
    skip: (traits) =>
      readOnly(traits) ??
      noList(traits) ??
      (typeof traits.options.killedWriter === 'object' ? undefined : 'n/a: no writer is killed'),
    async run(bench) {
      const writer = bench.options.killedWriter
      assert(typeof writer === 'object')
      const store = await bench.openWritable()
      const key = bench.key()
      const before = (await bench.options.leftovers?.())?.length ?? 0
      await writeAndKill(writer, key, 40 * MiB)
      await eventually(async () => {
        const entry = (await listed(store, [key])).get(key)
        const left = ((await bench.options.leftovers?.())?.length ?? 0) > before
        if (left || entry !== undefined) assert.equal(entry?.complete, false)
      })
      await store.delete(key)
      await eventually(async () => assert.equal((await listed(store, [key])).size, 0))
    }
  },
  {
    name: 'a list that is aborted ends with the reason',
    skip: noList,
    async run(bench) {
      const store = await bench.open()
      const reason = new Error('enough')
      const read = async () => {
        for await (const _entry of store.list?.({ signal: AbortSignal.abort(reason) }) ?? []);
      }
      await rejectsWithReason(reason, read())
    }
  }
]
