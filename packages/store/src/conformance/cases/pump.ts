import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageSource, Store } from '../../store.ts'
import { type Bench, type Case, rejectsWith, rejectsWithReason } from '../bench.ts'
import { MiB, pattern, sink } from '../streams.ts'

type Pumped = ImageSource & Required<Pick<ImageSource, 'pump'>>

/** Whether a source pumps is known only once there is one, so these cases ask and then pass. */
async function pumped(
  bench: Bench,
  bytes: Buffer,
  use: (open: (range?: { offset: number; length: number }) => Promise<Pumped>) => Promise<void>
): Promise<void> {
  const store: Store = await bench.open()
  const key = await bench.image(store, bytes)
  const probe = await store.get(key)
  const pumps = probe.pump !== undefined
  probe.body.on('error', () => {}).destroy()
  if (!pumps) return
  await use(async (range) => {
    const image = await store.get(key, { range })
    assert(image.pump !== undefined, 'a store pumps always or never')
    return image as Pumped
  })
}

export const pumpCases: readonly Case[] = [
  {
    name: 'pump writes every byte, whole and in part, and does not end the receiver',
    async run(bench) {
      for (const size of [0, 1, 3 * MiB + 5]) {
        const bytes = pattern(size)
        await pumped(bench, bytes, async (open) => {
          const to = sink()
          await (await open()).pump(to)
          assert(bytes.equals(to.taken()))
          assert.equal(to.writableEnded, false)
        })
      }
      const bytes = pattern(3 * MiB + 5)
      await pumped(bench, bytes, async (open) => {
        if (!bench.features.ranges) return
        const to = sink()
        await (await open({ offset: MiB - 1, length: MiB + 3 })).pump(to)
        assert(bytes.subarray(MiB - 1, 2 * MiB + 2).equals(to.taken()))
      })
    }
  },
  {
    name: 'pump waits for its receiver',
    async run(bench) {
      const bytes = pattern(24 * MiB)
      await pumped(bench, bytes, async (open) => {
        let release = () => {}
        const gate = new Promise<void>((resolve) => {
          release = resolve
        })
        let most = 0
        const to = sink((written) => {
          most = written
          return gate
        })
        const done = (await open()).pump(to)
        await sleep(200)
        assert(most + to.writableLength <= 8 * MiB, 'little is under way while nobody reads')
        release()
        await done
        assert(bytes.equals(to.taken()))
      })
    }
  },
  {
    name: 'an abort ends a pump with its reason',
    async run(bench) {
      await pumped(bench, pattern(8 * MiB), async (open) => {
        const early = AbortSignal.abort(new Error('before'))
        await rejectsWithReason(early.reason, (await open()).pump(sink(), { signal: early }))
        const control = new AbortController()
        const reason = new Error('stop')
        const to = sink(() => new Promise<void>(() => {}))
        const done = (await open()).pump(to, { signal: control.signal })
        setTimeout(() => control.abort(reason), 50)
        await rejectsWithReason(reason, done)
        to.destroy()
      })
    }
  },
  {
    name: 'a receiver that goes away ends a pump',
    async run(bench) {
      await pumped(bench, pattern(8 * MiB), async (open) => {
        const gone = sink().destroy()
        const first = await open()
        await rejectsWith('FAILED', () => first.pump(gone))
        const to = sink((written) => {
          if (written > MiB) to.destroy()
          return sleep(5)
        })
        const second = await open()
        await rejectsWith('FAILED', () => second.pump(to))
      })
    }
  }
]
