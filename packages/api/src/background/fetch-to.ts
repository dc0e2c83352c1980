import { type BlobFacts, isTankError, TankError } from '@tank/model'
import type { Store } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import type { Digests } from '../ingest/digests.ts'
import type { DataSignature } from '../ingest/signatures.ts'
import type { ExpectedDigest } from '../remotes/remote-image.ts'
import { fromStoreError } from '../store-errors.ts'
import { SourceFailure, type Target } from './fill-targets.ts'
import type { JobContext, JobRun } from './job.ts'
import { algorithmsFor, checkSize, coarse, factsOf } from './outside.ts'
import { readHashed, type WholeRead } from './read-whole.ts'

export interface Origin {
  /** The store that reads the location. */
  readonly store: Pick<Store, 'get'>
  readonly location: string
  /** What the data there has to fit. */
  readonly signature: DataSignature | undefined
  /** The digest that its source says it has; undefined: none is known. */
  readonly digest?: ExpectedDigest | undefined
}

async function open(
  context: JobContext,
  run: JobRun,
  { store, location, signature, digest }: Origin
): Promise<{ readonly read: WholeRead; readonly size: number | undefined }> {
  const { osHashAlgo, reading } = context
  try {
    const options = { range: undefined, signal: run.signal, deadlineMs: reading.storeMs }
    const { body, size } = await openWithin(store, location, options)
    const said = digest === undefined ? [] : [digest.algorithm]
    const algorithms = [...new Set([...algorithmsFor(context, osHashAlgo), ...said])]
    const read = readHashed(context, run, body, { size, algorithms, signature })
    try {
      checkSize(context, size)
    } catch (error) {
      read.drop()
      throw error
    }
    return { read, size }
  } catch (error) {
    throw new SourceFailure(coarse(run, error))
  }
}

function checkDigest(digests: Digests, expected: ExpectedDigest | undefined): void {
  if (expected === undefined || digests[expected.algorithm] === expected.value) return
  throw new TankError(
    'DATA_UNAVAILABLE',
    'The data that came has another digest than its source says'
  )
}

/**
 * Reads a location once and writes it to a target in the same pass. Throws SourceFailure when it is
 * the location that fails, or when its data does not fit the signature of the image or the digest that its
 * source says.
 */
export async function fetchTo(
  context: JobContext,
  run: JobRun,
  origin: Origin,
  { store, placement: { key } }: Target
): Promise<BlobFacts> {
  const { read, size } = await open(context, run, origin)
  try {
    await store.put(key, read.body, { size, signal: run.signal })
  } catch (error) {
    const { failure } = read
    read.drop()
    if (run.signal.aborted) throw run.signal.reason
    throw failure === undefined ? fromStoreError(error) : new SourceFailure(coarse(run, failure))
  }
  try {
    const digests = await read.finish()
    checkDigest(digests, origin.digest)
    return factsOf(read.body.received, digests, context.osHashAlgo)
  } catch (error) {
    // the collector does it when this does not
    await store.delete(key).catch((err) => run.log.warn({ err }, 'cleaning up failed'))
    throw isTankError(error) ? new SourceFailure(error) : error
  }
}
