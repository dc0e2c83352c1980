import assert from 'node:assert/strict'
import { type Case, rejectsWith, rejectsWithReason } from '../bench.ts'
import { collect, MiB, pattern, source } from '../streams.ts'
import { noFault, readOnly } from './skip.ts'

const reason = new Error('nobody wants it any more')
const bytes = pattern(4 * MiB)

function soon(): AbortSignal {
  const control = new AbortController()
  setTimeout(() => control.abort(reason), 100)
  return control.signal
}

export const abortCases: readonly Case[] = [
  {
    name: 'a call that is aborted beforehand does nothing',
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, bytes)
      const signal = AbortSignal.abort(reason)
      await rejectsWithReason(reason, store.stat(key, { signal }))
      await rejectsWithReason(reason, store.get(key, { signal }))
      if (store.put === undefined || store.delete === undefined) return
      const other = bench.key()
      await rejectsWithReason(
        reason,
        store.put(other, source(bytes), { signal, size: bytes.length })
      )
      await rejectsWith('NOT_FOUND', () => store.stat(other))
      await rejectsWithReason(reason, store.delete(key, { signal }))
      assert(bytes.equals(await collect((await store.get(key)).body)))
    }
  },
  {
    name: 'an abort in the middle of a put leaves nothing',
    skip: readOnly,
    async run(bench) {
      const store = await bench.openWritable()
      for (const length of [0, 1, bytes.length]) {
        const key = bench.key()
        const body = source(bytes.subarray(0, length), { ending: 'stall' })
        await bench.leavesNothing(store, key, () =>
          rejectsWithReason(reason, store.put(key, body, { signal: soon(), size: 10 * MiB }))
        )
        assert(body.destroyed, 'the body is not left open')
      }
    }
  },
  {
    name: 'an abort in the middle of a body ends it with the reason',
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, pattern(16 * MiB))
      const { body } = await store.get(key, { signal: soon() })
      const read = async () => {
        for await (const _chunk of body) await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await rejectsWithReason(reason, read())
    }
  },
  {
    name: 'an abort afterwards changes nothing',
    async run(bench) {
      const store = await bench.open()
      const control = new AbortController()
      const { signal } = control
      let key = await bench.image(store, bytes)
      if (store.put !== undefined) {
        key = bench.key()
        await store.put(key, source(bytes), { signal, size: bytes.length })
      }
      const stat = await store.stat(key, { signal })
      const whole = await collect((await store.get(key, { signal })).body)
      control.abort(reason)
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert(whole.equals(bytes))
      assert.deepEqual(await store.stat(key), stat)
    }
  },
  {
    name: 'an abort ends calls that a hanging backend does not answer',
    skip: (traits) => noFault(traits, 'hang'),
    async run(bench) {
      const store = await bench.open()
      const key = await bench.image(store, bytes)
      const other = bench.key()
      await bench.during('hang', async () => {
        await rejectsWithReason(reason, store.stat(key, { signal: soon() }))
        await rejectsWithReason(reason, store.get(key, { signal: soon() }))
        if (store.check) await rejectsWithReason(reason, store.check({ signal: soon() }))
        if (!store.put || !store.delete) return
        const options = { signal: soon(), size: bytes.length }
        await rejectsWithReason(reason, store.put(other, source(bytes), options))
        await rejectsWithReason(reason, store.delete(key, { signal: soon() }))
      })
    }
  }
]
