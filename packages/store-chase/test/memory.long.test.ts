import { Readable } from 'node:stream'
import { newKey } from '@tank/store'
import t from 'tap'
import { openChaseStore } from '../src/index.ts'
import { fakeServer, MiB } from './surroundings.ts'

t.setTimeout(60_000)

t.test('200 MiB of unknown size take the memory of the segments under way', async (t) => {
  const backend = await fakeServer('').open()
  const store = await openChaseStore({
    ...backend.options,
    segmentSize: 4 * MiB,
    concurrency: 2
  })
  t.teardown(async () => {
    await store.close?.()
    await backend.close()
  })
  // One block again and again: what is held beside it is held by the store.
  const block = Buffer.alloc(65_536, 'tank')
  const before = process.memoryUsage().arrayBuffers
  let [left, most] = [3_200, 0]
  const body = new Readable({
    read() {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      this.push(left-- > 0 ? block : null)
    }
  })
  const key = newKey()
  t.strictSame(await store.put(key, body), { size: 200 * MiB })
  t.ok(most > 0 && most < 20 * MiB, `${Math.round(most / MiB)} MiB`)

  // A reader that stops holds what was on its way.
  const image = await store.get(key)
  await new Promise((resolve) => image.body.once('readable', resolve))
  const waiting = process.memoryUsage().arrayBuffers
  await new Promise((resolve) => setTimeout(resolve, 300))
  const held = process.memoryUsage().arrayBuffers - waiting
  t.ok(held < 4 * MiB, `${Math.round(held / MiB)} MiB are held for a reader that waits`)
  image.body.destroy()
})
