import { isTankError, TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { nothing, operation } from '../../openapi/operation.ts'
import { imageParams } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const schemas = {
  deactivate: operation({
    operationId: 'deactivateImage',
    summary: 'Deactivate an image',
    description: 'Its data can be read by administrators only, until it is reactivated.',
    tag: 'images',
    params: imageParams,
    answers: { 204: nothing('The image is deactivated') },
    errors: [403, 404, 409, 413, 415]
  }),
  reactivate: operation({
    operationId: 'reactivateImage',
    summary: 'Reactivate an image',
    tag: 'images',
    params: imageParams,
    answers: { 204: nothing('The image is active') },
    errors: [403, 404, 409, 413, 415]
  })
}

/** Deactivate and reactivate (R6). */
export function actionRoutes(app: FastifyInstance, { registry, policy }: ApiContext): void {
  for (const action of ['deactivate', 'reactivate'] as const) {
    app.post<{ Params: ImageParams }>(
      `/images/:id/actions/${action}`,
      { onRequest: refuseBody, schema: schemas[action] },
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
