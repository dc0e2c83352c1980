import type { ImageDocument } from '@tank/model'
import { parseDocument } from '../images/mutate.ts'
import { insist } from './insist.ts'
import type { JobContext, JobRun } from './job.ts'

/** The image of the work as it is now. */
export async function imageOf(
  { registry }: JobContext,
  { caller, job, signal }: JobRun
): Promise<ImageDocument> {
  return parseDocument(
    await insist(signal, () => registry.getImage(caller, job.image_id, { signal }))
  )
}
