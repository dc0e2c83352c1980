import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { removeImage } from '../../images/remove-image.ts'
import { demandAction } from './changeable.ts'
import type { ImageParams } from './show.ts'

/** `DELETE /images/:id` (v1 1.13). */
export function deleteRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry } = context
  app.delete<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody },
    async (request, reply) => {
      const { id } = request.params
      const caller = registryCaller(request)
      const record = await registry.getRecord(caller, id)
      if (record.status === 'deleted') {
        throw new TankError('IMAGE_NOT_FOUND', 'No image with this id was found.')
      }
      if (record.status === 'pending_delete') {
        throw new TankError('FORBIDDEN', 'The image waits for its deletion already.')
      }
      demandAction(context, request, 'delete_image', record)
      await removeImage(context, request, id)
      return reply.code(200).send()
    }
  )
}
