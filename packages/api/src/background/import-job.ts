import { type FoundData, type ImageDocument, TankError } from '@tank/model'
import type { Store } from '@tank/store'
import type { StoredData } from '../download/blob-reader.ts'
import { readImportInput } from '../imports/import-input.ts'
import { storeForUri } from '../imports/uri.ts'
import { watchImage } from '../inspection/watch.ts'
import type { RemoteRequest } from '../remotes/remote-request.ts'
import { copyTo } from './copy-to.ts'
import { fetchTo, type Origin } from './fetch-to.ts'
import { type Fill, fillTargets, SourceFailure } from './fill-targets.ts'
import { imageOf } from './image-of.ts'
import { inspectStored } from './inspect-stored.ts'
import type { JobContext, JobHandler, JobRun } from './job.ts'
import { coarse, unreadable } from './outside.ts'
import { verifyStored } from './signed-data.ts'
import { untilAborted } from './until-aborted.ts'

type Place = Omit<Origin, 'signature' | 'watch'>

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
  const { uri, remote, announced } = readImportInput(run.job.input)
  if (remote !== undefined) return remoteOrigin(context, run, remote)
  if (uri === undefined) throw new TankError('IMAGE_STATE', 'Nothing was staged for the image')
  const { stores } = context.reading
  const store = stores.get(storeForUri(stores, uri) ?? '')
  if (store === undefined) throw unreadable(new Error('no store reads the location any more'))
  return { store, location: uri, announced }
}

/** They may have been taken away since the import was asked for (IMP11). */
function demandFormats({ disk_format, container_format }: ImageDocument): void {
  if (disk_format !== null && container_format !== null) return
  const message = 'The image has no disk_format or no container_format; set both and import again'
  throw new TankError('IMAGE_STATE', message)
}

/**
 * Makes data the image's: what was staged, or what is fetched from outside (glance-direct,
 * web-download, glance-download). Only the first target is written from outside, all others from what lies there by
 * then, so that all are the same (H3). What was staged is judged and, for a signed image, verified before
 * it is the image's, by reading it once more: format and signature may have come after the data (F13, SG3).
 */
export const importJob: JobHandler = async (context, run) => {
  const id = run.job.image_id
  const image = await imageOf(context, run)
  demandFormats(image)
  const signature = context.signatures.demanded(image)
  let data: StoredData | null = run.job.source === null ? null : { id, ...run.job.source }
  let found: FoundData | undefined
  if (data !== null) {
    found = await inspectStored(context, run, data, image)
    if (signature !== undefined) await verifyStored(context, run, data, signature)
  }
  const fill: Fill = async (target) => {
    if (data !== null) return copyTo(context, run, data, target)
    const place = await originOf(context, run)
    const watch = watchImage(image, context.inspection, run.log)
    const fetched = await fetchTo(context, run, { ...place, signature, watch }, target)
    found = fetched.found
    data = { id, blob: fetched.blob, placements: [target.placement] }
    return fetched.blob
  }
  await fillTargets(context, run, fill, () => found)
}
