import { finished } from 'node:stream/promises'
import { TankError } from '@tank/model'
import type { StoredData } from '../download/blob-reader.ts'
import type { DataSignature } from '../ingest/signatures.ts'
import { imageOf } from './image-of.ts'
import type { JobContext, JobRun } from './job.ts'
import { readWhole } from './read-whole.ts'

/** The signature that the image of the work demands now; undefined when it is not signed. */
export async function demandedSignature(
  context: JobContext,
  run: JobRun
): Promise<DataSignature | undefined> {
  return context.signatures.demanded(await imageOf(context, run))
}

/**
 * Reads data that lies in a store once. Throws INVALID_REQUEST when it does not fit the signature,
 * DATA_UNAVAILABLE when it cannot be read as it was written.
 */
export async function verifyStored(
  context: JobContext,
  run: JobRun,
  data: StoredData,
  signature: DataSignature
): Promise<void> {
  const { signal } = run
  const read = await readWhole(context, run, data, { algorithms: ['sha256'], signature })
  try {
    read.body.resume()
    await finished(read.body, { signal, writable: false })
    const { sha256 } = await read.finish()
    // what other targets get is held against this digest
    if (sha256 === data.blob?.sha256) return
  } catch (error) {
    read.drop()
    throw signal.aborted ? signal.reason : (read.failure ?? error)
  }
  throw new TankError('DATA_UNAVAILABLE', 'The data that was read is not the data of the image')
}
