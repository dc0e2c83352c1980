import { randomUUID } from 'node:crypto'
import { type BlobFacts, type ImageData, isTankError, type ShownBlob, TankError } from '@tank/model'
import { isWritable, newKey, type WritableStore } from '@tank/store'
import type { Digests } from '../ingest/digests.ts'
import { fromStoreError } from '../store-errors.ts'
import { insist } from './insist.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { readWhole } from './read-whole.ts'

function targetStore(context: JobContext, name: string): WritableStore {
  const store = context.reading.stores.get(name)
  if (store !== undefined && isWritable(store)) return store
  throw new TankError('STORE_READ_ONLY', `Store '${name}' does not take images`)
}

/** What has to be computed: enough to prove the bytes, or all that the image does not have yet. */
function algorithmsFor(context: JobContext, blob: ShownBlob): string[] {
  if (blob.sha256 !== null) return ['sha256']
  const shown = blob.os_hash_algo ?? context.osHashAlgo
  return [...new Set(['sha256', ...(context.md5 ? ['md5'] : []), shown])]
}

/** The facts of a blob as they were read. Throws when they are not what the image has (H3). */
function verified(context: JobContext, blob: ShownBlob, digests: Digests): BlobFacts {
  const algorithm = blob.os_hash_algo ?? context.osHashAlgo
  const facts: BlobFacts = {
    size: blob.size,
    sha256: digests.sha256 ?? '',
    md5: blob.md5 ?? digests.md5 ?? null,
    os_hash_algo: algorithm,
    os_hash_value: digests[algorithm] ?? blob.os_hash_value,
    virtual_size: blob.virtual_size,
    format: blob.format
  }
  const isSame =
    (blob.sha256 ?? facts.sha256) === facts.sha256 &&
    (blob.os_hash_value ?? facts.os_hash_value) === facts.os_hash_value
  if (isSame) return facts
  throw new TankError('DATA_UNAVAILABLE', 'The data that was read is not the data of the image')
}

async function write(
  context: JobContext,
  run: JobRun,
  data: ImageData,
  blob: ShownBlob,
  store: WritableStore,
  key: string
): Promise<BlobFacts> {
  const read = await readWhole(context, run, data, algorithmsFor(context, blob))
  try {
    await store.put(key, read.body, { size: blob.size, signal: run.signal })
  } catch (error) {
    read.drop()
    throw run.signal.aborted ? run.signal.reason : fromStoreError(read.failure ?? error)
  }
  try {
    return verified(context, blob, await read.finish())
  } catch (error) {
    // the collector does it when this does not
    await store.delete(key).catch((err) => run.log.warn({ err }, 'cleaning up failed'))
    throw error
  }
}

/** Puts the data into one more store and proves that it is the same. */
async function copyTo(
  context: JobContext,
  run: JobRun,
  data: ImageData,
  blob: ShownBlob,
  name: string
): Promise<void> {
  const { registry } = context
  const { job, attempt, caller, signal } = run
  const store = targetStore(context, name)
  const weight = context.reading.stores.entry(name)?.weight ?? 0
  const placement = { id: randomUUID(), store: name, key: newKey(), role: 'data', weight } as const
  await insist(signal, () => registry.beginTarget(caller, job.id, { attempt, placement }))
  const facts = await write(context, run, data, blob, store, placement.key)
  const stored = { attempt, placement_id: placement.id, blob: facts }
  await insist(signal, () => registry.targetStored(caller, job.id, stored))
}

/** Errors that are the end of the work, not of one target. */
function endsAll(error: unknown): boolean {
  return isTankError(error, 'OPERATION_GONE') || isTankError(error, 'IMAGE_GONE')
}

/** Copies an image to further stores, one after the other (copy-image). */
export const copyJob: JobHandler = async (context, run) => {
  const { registry } = context
  const { job, attempt, caller, signal, log } = run
  const data = await insist(signal, () => registry.getImageData(caller, job.image_id, { signal }))
  const { blob } = data
  if (blob === null) throw new TankError('IMAGE_STATE', 'The image has no data to copy')
  for (const { store, state } of job.targets) {
    if (state === 'stored' || state === 'failed') continue
    try {
      await copyTo(context, run, data, blob, store)
    } catch (error) {
      if (signal.aborted || endsAll(error)) throw error
      log.warn({ err: error, store }, 'a copy failed')
      const reason = fromStoreError(error).message
      const failed = { attempt, store, reason }
      await insist(signal, () => registry.targetFailed(caller, job.id, failed))
      context.garbageLeft()
      if (job.must_succeed) break
    }
  }
  await insist(signal, () => registry.complete(caller, job.id, attempt))
  context.garbageLeft()
}
