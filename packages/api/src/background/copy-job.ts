import { TankError } from '@tank/model'
import { copyTo } from './copy-to.ts'
import { fillTargets } from './fill-targets.ts'
import { insist } from './insist.ts'
import type { JobHandler } from './job.ts'

/** Copies an image to further stores, one after the other (copy-image). */
export const copyJob: JobHandler = async (context, run) => {
  const { job, caller, signal } = run
  const data = await insist(signal, () =>
    context.registry.getImageData(caller, job.image_id, { signal })
  )
  if (data.blob === null) throw new TankError('IMAGE_STATE', 'The image has no data to copy')
  await fillTargets(context, run, (target) => copyTo(context, run, data, target))
}
