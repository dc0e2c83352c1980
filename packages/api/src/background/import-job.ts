import { TankError } from '@tank/model'
import type { Store } from '@tank/store'
import type { StoredData } from '../download/blob-reader.ts'
import { readImportInput } from '../imports/import-input.ts'
import { storeForUri } from '../imports/uri.ts'
import type { RemoteRequest } from '../remotes/remote-request.ts'
import { copyTo } from './copy-to.ts'
import { fetchTo, type Origin } from './fetch-to.ts'
import { fillTargets, SourceFailure } from './fill-targets.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { coarse, unreadable } from './outside.ts'
import { demandedSignature, verifyStored } from './signed-data.ts'
import { untilAborted } from './until-aborted.ts'

type Place = Omit<Origin, 'signature'>

/** Where an image of another region is read by Tank's own account (IMP18). */
async function remoteOrigin(
  context: JobContext,
  run: JobRun,
  asked: RemoteRequest
): Promise<Place> {
  try {
    const region = context.remotes.region(asked.region)
    const image = await untilAborted(run.signal, region.show(asked))
    const get: Store['get'] = (_location, { signal = run.signal } = {}) =>
      region.read(asked, image, signal)
    return { store: { get }, location: asked.imageId, digest: image.digest }
  } catch (error) {
    throw new SourceFailure(coarse(run, error))
  }
}

async function originOf(context: JobContext, run: JobRun): Promise<Place> {
  const { uri, remote } = readImportInput(run.job.input)
  if (remote !== undefined) return remoteOrigin(context, run, remote)
  if (uri === undefined) throw new TankError('IMAGE_STATE', 'Nothing was staged for the image')
  const { stores } = context.reading
  const store = stores.get(storeForUri(stores, uri) ?? '')
  if (store === undefined) throw unreadable(new Error('no store reads the location any more'))
  return { store, location: uri }
}

/**
 * Makes data the image's: what was staged, or what is fetched from outside (glance-direct,
 * web-download, glance-download). Only the first target is written from outside, all others from what lies there by
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
    const place = await originOf(context, run)
    const blob = await fetchTo(context, run, { ...place, signature }, target)
    data = { id, blob, placements: [target.placement] }
    return blob
  })
}
