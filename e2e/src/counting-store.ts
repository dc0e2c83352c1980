import { appendFile, readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StorePlugin } from '@tank/api'
import { defineStorePlugin, type Store } from '@tank/store'
import { openFsStore } from '@tank/store-fs'
import { type Static, Type } from 'typebox'

const options = Type.Object({
  root: Type.String(),
  /** A file that gets a byte for each read. */
  counter: Type.String(),
  /** Milliseconds after each block of a body. */
  pauseMs: Type.Integer({ default: 0 })
})

/** What `use` says to have this store: its processes share the folder and the count. */
export const countingStore = fileURLToPath(import.meta.url)

/** How often the store was read. */
export async function readsOf(counter: string): Promise<number> {
  return (await readFile(counter).catch(() => '')).length
}

async function* slowly(body: AsyncIterable<Buffer>, pauseMs: number): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    yield chunk
    await sleep(pauseMs)
  }
}

/** Files that pass for those of another machine. */
async function open({ root, counter, pauseMs }: Static<typeof options>): Promise<Store> {
  const files = await openFsStore({ root })
  return {
    type: 'counting',
    features: { ranges: true, unknownSize: true, exclusive: true },
    stat: (key, call) => files.stat(key, call),
    put: (key, body, call) => files.put(key, body, call),
    delete: (key, call) => files.delete(key, call),
    get: async (key, call) => {
      await appendFile(counter, '.')
      const { size, body } = await files.get(key, call)
      return { size, body: Readable.from(slowly(body, pauseMs), { objectMode: false }) }
    }
  }
}

const plugin: StorePlugin = defineStorePlugin({ name: 'counting', options, open })

export default plugin
