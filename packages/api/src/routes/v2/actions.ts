import { isTankError, TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import type { ImageParams } from './images.ts'

/** Deactivate and reactivate (R6). */
export function actionRoutes(app: FastifyInstance, { registry, policy }: ApiContext): void {
  for (const action of ['deactivate', 'reactivate'] as const) {
    app.post<{ Params: ImageParams }>(
      `/images/:id/actions/${action}`,
      { onRequest: refuseBody },
      async (request, reply) => {
        const caller = registryCaller(request)
        const { id } = request.params
        policy.demand(request.caller, action, parseDocument(await registry.getImage(caller, id)))
        try {
          await registry.setActive(caller, id, action === 'reactivate')
        } catch (error) {
          if (!isTankError(error, 'IMAGE_STATE')) throw error
          throw new TankError('FORBIDDEN', `The image's status does not allow to ${action} it.`, {
            cause: error
          })
        }
        return reply.code(204).send()
      }
    )
  }
}
