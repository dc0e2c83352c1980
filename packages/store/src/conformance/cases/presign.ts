import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, rejectsWith, type Traits } from '../bench.ts'
import { MiB, pattern } from '../streams.ts'

function noPresign({ methods }: Traits): string | undefined {
  return methods.has('presign') ? undefined : 'n/a: the store has no presign'
}

export const presignCases: readonly Case[] = [
  {
    name: 'a signed URL gives the image, whole and in part, until it expires',
    skip: noPresign,
    async run(bench) {
      const store = await bench.open()
      const bytes = pattern(3 * MiB)
      const key = await bench.image(store, bytes)
      const url = await store.presign?.(key, { seconds: 60 })
      assert(url !== undefined)
      const whole = await fetch(url)
      assert.equal(whole.status, 200)
      assert(bytes.equals(Buffer.from(await whole.arrayBuffer())))
      const part = await fetch(url, { headers: { range: 'bytes=5-9' } })
      assert.equal(part.status, 206)
      assert(bytes.subarray(5, 10).equals(Buffer.from(await part.arrayBuffer())))
      const short = await store.presign?.(key, { seconds: 1 })
      assert(short !== undefined)
      await sleep(2500)
      const late = await fetch(short)
      await late.arrayBuffer()
      assert(late.status >= 400, `it has expired, but the answer is ${late.status}`)
    }
  },
  {
    name: 'S-02 a signed URL is for one image, for reading, and holds no secret of the store',
    skip: noPresign,
    async run(bench) {
      const store = await bench.open()
      const [key, other] = [
        await bench.image(store, pattern(10)),
        await bench.image(store, pattern(20))
      ]
      const url = await store.presign?.(key, { seconds: 60 })
      assert(url !== undefined)
      assert.equal(`${url.username}${url.password}`, '')
      const elsewhere = await fetch(url.href.replace(key, other))
      await elsewhere.arrayBuffer()
      assert(elsewhere.status >= 400, `another image gives ${elsewhere.status}`)
      const write = await fetch(url, { method: 'PUT', body: 'x' })
      await write.arrayBuffer()
      assert(write.status >= 400, `writing gives ${write.status}`)
      for (const seconds of [0, -1, 1.5, 8 * 24 * 3600]) {
        await rejectsWith('UNSUPPORTED', async () => store.presign?.(key, { seconds }))
      }
    }
  }
]
