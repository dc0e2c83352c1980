import { TankError } from '@tank/model'
import type { StoredData } from '../download/blob-reader.ts'
import { readImportInput } from '../imports/import-input.ts'
import { storeForUri } from '../imports/uri.ts'
import { copyTo } from './copy-to.ts'
import { fetchTo, type Origin } from './fetch-to.ts'
import { fillTargets } from './fill-targets.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { unreadable } from './outside.ts'
import { demandedSignature, verifyStored } from './signed-data.ts'

function originOf(context: JobContext, { job }: JobRun): Omit<Origin, 'signature'> {
  const { uri } = readImportInput(job.input)
  if (uri === undefined) throw new TankError('IMAGE_STATE', 'Nothing was staged for the image')
  const { stores } = context.reading
  const store = stores.get(storeForUri(stores, uri) ?? '')
  if (store === undefined) throw unreadable(new Error('no store reads the location any more'))
  return { store, location: uri }
}

/**
 * Makes data the image's: what was staged, or what is fetched from outside (glance-direct,
 * web-download). Only the first target is written from outside, all others from what lies there by
 * then, so that all are the same (H3). The data of a signed image is verified before it is the
 * image's, staged data by reading it once more: its signature may have come after the data (SG3).
 */
export const importJob: JobHandler = async (context, run) => {
  const id = run.job.image_id
  const signature = await demandedSignature(context, run)
  let data: StoredData | null = run.job.source === null ? null : { id, ...run.job.source }
  if (data !== null && signature !== undefined) await verifyStored(context, run, data, signature)
  await fillTargets(context, run, async (target) => {
    if (data !== null) return copyTo(context, run, data, target)
    const blob = await fetchTo(context, run, { ...originOf(context, run), signature }, target)
    data = { id, blob, placements: [target.placement] }
    return blob
  })
}
