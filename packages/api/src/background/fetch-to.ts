import {
  type AnnouncedData,
  type BlobFacts,
  type FoundData,
  isTankError,
  TankError
} from '@tank/model'
import type { Store } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import type { Digests } from '../ingest/digests.ts'
import type { DataSignature } from '../ingest/signatures.ts'
import { rangesOf } from '../inspection/read-range.ts'
import type { Watch } from '../inspection/watch.ts'
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
  /** Judges the data there. */
  readonly watch: Watch
  /** The digest that its source says it has; undefined: none is known. */
  readonly digest?: ExpectedDigest | undefined
  /** What the client says of the data there. */
  readonly announced?: AnnouncedData | undefined
}

function unlikeAnnounced(what: 'size' | 'checksum'): TankError {
  const message = `The data at the location has another ${what} than was announced`
  return new TankError('INVALID_REQUEST', message)
}

async function open(
  context: JobContext,
  run: JobRun,
  { store, location, signature, watch, digest, announced }: Origin
): Promise<{ readonly read: WholeRead; readonly size: number | undefined }> {
  const { osHashAlgo, reading } = context
  try {
    const options = { range: undefined, signal: run.signal, deadlineMs: reading.storeMs }
    const wanted = announced?.size ?? undefined
    const { body, size = wanted } = await openWithin(store, location, options)
    const said = digest === undefined ? [] : [digest.algorithm]
    if (typeof announced?.checksum === 'string') said.push('md5')
    const algorithms = [...new Set([...algorithmsFor(context, osHashAlgo), ...said])]
    const read = readHashed(context, run, body, { size, algorithms, signature, watch })
    try {
      checkSize(context, size)
      if (wanted !== undefined && size !== wanted) throw unlikeAnnounced('size')
    } catch (error) {
      read.drop()
      throw error
    }
    return { read, size }
  } catch (error) {
    throw new SourceFailure(coarse(run, error))
  }
}

function checkDigests(digests: Digests, { digest, announced }: Origin): void {
  const checksum = announced?.checksum ?? digests.md5
  if (digests.md5 !== checksum) throw unlikeAnnounced('checksum')
  if (digest === undefined || digests[digest.algorithm] === digest.value) return
  throw new TankError(
    'DATA_UNAVAILABLE',
    'The data that came has another digest than its source says'
  )
}

/**
 * Reads a location once and writes it to a target in the same pass. Throws SourceFailure when it is
 * the location that fails, or when its data is refused, or does not fit the signature of the image, the
 * digest that its source says, or what was announced.
 */
export async function fetchTo(
  context: JobContext,
  run: JobRun,
  origin: Origin,
  { store, placement: { key } }: Target
): Promise<{ readonly blob: BlobFacts; readonly found: FoundData }> {
  const { osHashAlgo, reading } = context
  const { read, size } = await open(context, run, origin)
  try {
    await store.put(key, read.body, { size, signal: run.signal })
  } catch (error) {
    const { failure } = read
    read.drop()
    if (run.signal.aborted) throw run.signal.reason
    throw failure === undefined ? fromStoreError(error) : new SourceFailure(coarse(run, failure))
  }
  // the target is read again, and its failure is its own
  let targetFailure: unknown
  try {
    const digests = await read.finish()
    checkDigests(digests, origin)
    const { signal, advance } = run
    const again = rangesOf(store, key, { signal, advance, deadlineMs: reading.storeMs })
    const found = await origin.watch.end((range) =>
      again(range).catch((error: unknown) => {
        targetFailure = error
        throw error
      })
    )
    return { blob: factsOf(read.body.received, digests, osHashAlgo), found }
  } catch (error) {
    // the collector does it when this does not
    await store.delete(key).catch((err) => run.log.warn({ err }, 'cleaning up failed'))
    throw isTankError(error) && error !== targetFailure ? new SourceFailure(error) : error
  }
}
