import { isTankError, TankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'
import { registryCaller } from '../identity/caller.ts'

/** Deletes an image for who may, in any state, and ends what this process does with it. */
export async function removeImage(
  { images, policy, running, collector, cache }: ApiContext,
  request: FastifyRequest,
  id: string
): Promise<void> {
  await images.delete(registryCaller(request), id, (image) => {
    policy.demand(request.caller, 'delete_image', image)
    if (image.protected) {
      throw new TankError(
        'IMAGE_PROTECTED',
        `Image ${image.id} is protected and cannot be deleted.`
      )
    }
  })
  running.abort(id, new TankError('IMAGE_GONE', 'The image was deleted'))
  collector.nudge()
  await cache?.images.forget(id)
}

/** Deletes an image that a request has made before it failed. That this fails is logged only. */
export async function takeBack(
  { registry, images }: ApiContext,
  request: FastifyRequest,
  id: string
): Promise<void> {
  const caller = registryCaller(request)
  try {
    await images.update(caller, id, (image) => (image.protected ? { protected: false } : undefined))
    await registry.deleteImage(caller, id)
  } catch (err) {
    if (isTankError(err, 'IMAGE_NOT_FOUND')) return
    request.log.warn({ err, imageId: id }, 'the image of a failed request could not be deleted')
  }
}
