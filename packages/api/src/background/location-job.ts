import { finished } from 'node:stream/promises'
import { type BlobFacts, type Placement, TankError } from '@tank/model'
import { isStoreError, type Store } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import { type LocationInput, readLocationInput, type Validation } from '../locations/input.ts'
import { insist } from './insist.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { readHashed } from './read-whole.ts'
import { untilAborted } from './until-aborted.ts'

interface Outside {
  readonly store: Store
  readonly placement: Placement
  readonly validation: Validation | null
}

/** Whatever is behind an address, failures look alike (S-17); the log has the cause. */
function unreadable(cause: unknown): TankError {
  return new TankError('DATA_UNAVAILABLE', 'The data at the location cannot be used', { cause })
}

/** Lets errors of ours through, and the end of the work. */
function coarse(run: JobRun, error: unknown): unknown {
  if (run.signal.aborted) return run.signal.reason
  return error instanceof TankError && !isStoreError(error.cause) ? error : unreadable(error)
}

function checkSize(context: JobContext, size: number | undefined): void {
  if (size !== undefined && size > context.cap) {
    throw new TankError('TOO_LARGE', `An image has at most ${context.cap} bytes`)
  }
}

async function sizeOf(context: JobContext, run: JobRun, outside: Outside) {
  const late = AbortSignal.timeout(Math.ceil(context.reading.storeMs))
  const signal = AbortSignal.any([run.signal, late])
  try {
    const stat = outside.store.stat(outside.placement.key, { signal })
    const { size } = await untilAborted(signal, stat)
    checkSize(context, size)
    return size
  } catch (error) {
    throw coarse(run, error)
  }
}

/** Reads everything at the location once (LA6, LA7). */
async function readFacts(
  context: JobContext,
  run: JobRun,
  { store, placement, validation }: Outside,
  size: number | undefined
): Promise<BlobFacts> {
  const algorithm = validation?.os_hash_algo ?? context.osHashAlgo
  const algorithms = new Set(['sha256', ...(context.md5 ? ['md5'] : []), algorithm])
  const { signal } = run
  let read: ReturnType<typeof readHashed> | undefined
  try {
    const options = { range: undefined, signal, deadlineMs: context.reading.storeMs }
    const { body } = await openWithin(store, placement.key, options)
    read = readHashed(context, run, body, { size, algorithms: [...algorithms] })
    read.body.resume()
    await finished(read.body, { signal, writable: false })
    const digests = await read.finish()
    return {
      size: read.body.received,
      sha256: digests.sha256 ?? '',
      md5: digests.md5 ?? null,
      os_hash_algo: algorithm,
      os_hash_value: digests[algorithm] ?? null,
      virtual_size: null,
      format: null
    }
  } catch (error) {
    read?.drop()
    const failure = read?.failure ?? error
    throw coarse(run, failure instanceof TankError ? failure : unreadable(failure))
  }
}

function checkDigest(facts: BlobFacts, validation: Validation | null): void {
  if (validation === null || facts.os_hash_value === validation.os_hash_value) return
  throw new TankError('INVALID_REQUEST', 'The data at the location has another digest than given')
}

function outsideOf(context: JobContext, run: JobRun, input: LocationInput): Outside {
  const { placement } = run.job
  const store = placement === null ? undefined : context.reading.stores.get(placement.store)
  if (placement === null || store === undefined) throw unreadable(undefined)
  return { store, placement, validation: input.validation }
}

/**
 * Takes over data that lies outside. With a digest to compare the image is active when that is
 * right (LA6); else as soon as its size is known, and digests follow (LA7), or never come (LA8).
 */
export const locationJob: JobHandler = async (context, run) => {
  const { registry } = context
  const { job, attempt, caller, signal } = run
  const outside = outsideOf(context, run, readLocationInput(job.input))
  const data = await insist(signal, () => registry.getImageData(caller, job.image_id, { signal }))
  const activate = (size: number, validation: Validation | null) => {
    const { os_hash_algo = null, os_hash_value = null } = validation ?? {}
    const known = { attempt, size, os_hash_algo, os_hash_value }
    return insist(signal, () => registry.activate(caller, job.id, known))
  }
  const size = data.blob?.size ?? (await sizeOf(context, run, outside))
  if (!context.secureHashing) {
    if (size === undefined) throw unreadable(new Error('the store does not know the size'))
    await activate(size, outside.validation)
    await insist(signal, () => registry.complete(caller, job.id, attempt))
    return
  }
  if (outside.validation === null && size !== undefined) await activate(size, null)
  const blob = await readFacts(context, run, outside, size)
  checkDigest(blob, outside.validation)
  const finish = { attempt, status: 'active', blob } as const
  await insist(signal, () => registry.finish(caller, job.id, finish))
}
