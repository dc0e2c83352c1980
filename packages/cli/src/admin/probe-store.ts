import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { isStoreError, isWritable, newKey, type Store, type WritableStore } from '@tank/store'

const PROBE_BYTES = 65_536
/** Longest time of one step. */
const STEP_MS = 30_000

const soon = () => ({ signal: AbortSignal.timeout(STEP_MS) })

async function roundTrip(store: WritableStore, key: string): Promise<void> {
  const bytes = randomBytes(PROBE_BYTES)
  await store.put(key, Readable.from([bytes]), { size: bytes.length, ...soon() })
  const { size } = await store.stat(key, soon())
  if (size !== undefined && size !== bytes.length) {
    throw new Error(`${bytes.length} bytes were written, but the store says ${size}`)
  }
  const chunks: Buffer[] = []
  for await (const chunk of (await store.get(key, soon())).body) chunks.push(chunk)
  if (!bytes.equals(Buffer.concat(chunks))) throw new Error('other bytes came back than went in')
}

async function isGone(store: Store, key: string): Promise<boolean> {
  try {
    await store.stat(key, soon())
    return false
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return true
    throw error
  }
}

/**
 * Does once what the service does all day: writes an image, reads it back, deletes it. Of a store
 * that cannot be written to only its own check is run. Rejects with what went wrong.
 */
export async function probeStore(store: Store): Promise<string> {
  await store.check?.(soon())
  if (!isWritable(store)) {
    return store.check === undefined ? 'read-only, has no check of its own' : 'reachable, read-only'
  }
  const key = newKey()
  try {
    await roundTrip(store, key)
  } finally {
    await store.delete(key, soon())
  }
  if (!(await isGone(store, key))) throw new Error('what was deleted is still there')
  return 'written, read and deleted a probe'
}
