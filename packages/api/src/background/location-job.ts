import { type BlobFacts, TankError } from '@tank/model'
import { type LocationInput, readLocationInput, type Validation } from '../locations/input.ts'
import { insist } from './insist.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { unreadable } from './outside.ts'
import { type OutsideData, readOutside, sizeOutside } from './read-outside.ts'
import { demandedSignature } from './signed-data.ts'

interface Outside extends OutsideData {
  readonly validation: Validation | null
}

function checkDigest(facts: BlobFacts, validation: Validation | null): void {
  if (validation === null || facts.os_hash_value === validation.os_hash_value) return
  throw new TankError('INVALID_REQUEST', 'The data at the location has another digest than given')
}

function outsideOf(context: JobContext, run: JobRun, input: LocationInput): Outside {
  const { placement } = run.job
  const store = placement === null ? undefined : context.reading.stores.get(placement.store)
  if (placement === null || store === undefined) throw unreadable(undefined)
  return { store, location: placement.key, validation: input.validation }
}

/**
 * Takes over data that lies outside. With a digest to compare the image is active when that is
 * right (LA6); else as soon as its size is known, and digests follow (LA7), or never come (LA8).
 * The data of a signed image is read and verified whatever the settings say: before that it is nobody's
 * (SG3, SG5).
 */
export const locationJob: JobHandler = async (context, run) => {
  const { registry } = context
  const { job, attempt, caller, signal } = run
  const outside = outsideOf(context, run, readLocationInput(job.input))
  const signature = await demandedSignature(context, run)
  const isSigned = signature !== undefined
  const data = await insist(signal, () => registry.getImageData(caller, job.image_id, { signal }))
  const activate = (size: number, validation: Validation | null) => {
    const { os_hash_algo = null, os_hash_value = null } = validation ?? {}
    const known = { attempt, size, os_hash_algo, os_hash_value }
    return insist(signal, () => registry.activate(caller, job.id, known))
  }
  const size = data.blob?.size ?? (await sizeOutside(context, run, outside))
  if (!context.secureHashing && !isSigned) {
    if (size === undefined) throw unreadable(new Error('the store does not know the size'))
    await activate(size, outside.validation)
    await insist(signal, () => registry.complete(caller, job.id, { attempt }))
    return
  }
  if (outside.validation === null && size !== undefined && !isSigned) await activate(size, null)
  const algorithm = outside.validation?.os_hash_algo ?? context.osHashAlgo
  const blob = await readOutside(context, run, outside, { size, algorithm, signature })
  checkDigest(blob, outside.validation)
  const finish = { attempt, status: 'active', blob } as const
  await insist(signal, () => registry.finish(caller, job.id, finish))
}
