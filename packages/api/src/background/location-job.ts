import { finished } from 'node:stream/promises'
import { type BlobFacts, type Placement, TankError } from '@tank/model'
import type { Store } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import { type LocationInput, readLocationInput, type Validation } from '../locations/input.ts'
import { insist } from './insist.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { algorithmsFor, checkSize, coarse, factsOf, unreadable } from './outside.ts'
import { readHashed } from './read-whole.ts'
import { untilAborted } from './until-aborted.ts'

interface Outside {
  readonly store: Store
  readonly placement: Placement
  readonly validation: Validation | null
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
  const algorithms = algorithmsFor(context, algorithm)
  const { signal } = run
  let read: ReturnType<typeof readHashed> | undefined
  try {
    const options = { range: undefined, signal, deadlineMs: context.reading.storeMs }
    const { body } = await openWithin(store, placement.key, options)
    read = readHashed(context, run, body, { size, algorithms })
    read.body.resume()
    await finished(read.body, { signal, writable: false })
    return factsOf(read.body.received, await read.finish(), algorithm)
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
