import { type BlobFacts, TankError } from '@tank/model'
import type { StoredData } from '../download/blob-reader.ts'
import type { Digests } from '../ingest/digests.ts'
import { fromStoreError } from '../store-errors.ts'
import type { Target } from './fill-targets.ts'
import type { JobContext, JobRun } from './job.ts'
import { algorithmsFor } from './outside.ts'
import { readWhole } from './read-whole.ts'

type Blob = NonNullable<StoredData['blob']>

/** What has to be computed: enough to prove the bytes, or all that the image does not have yet. */
function algorithmsOf(context: JobContext, blob: Blob): string[] {
  if (blob.sha256 !== null) return ['sha256']
  return algorithmsFor(context, blob.os_hash_algo ?? context.osHashAlgo)
}

/** The facts of a blob as they were read. Throws when they are not what the image has (H3). */
function verified(context: JobContext, blob: Blob, digests: Digests): BlobFacts {
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

/** Writes data that lies in stores to one more, and proves that it is the same. */
export async function copyTo(
  context: JobContext,
  run: JobRun,
  data: StoredData,
  { store, placement: { key } }: Target
): Promise<BlobFacts> {
  const { blob } = data
  if (blob === null) throw new TankError('IMAGE_STATE', 'The image has no data to copy')
  const read = await readWhole(context, run, data, { algorithms: algorithmsOf(context, blob) })
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
