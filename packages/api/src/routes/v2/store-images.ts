import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { nothing, operation } from '../../openapi/operation.ts'
import { storeImageParams } from '../../openapi/parameters.ts'

const schema = operation({
  operationId: 'removeFromStore',
  summary: 'Remove an image from one of its stores',
  description: 'Not from the last one.',
  tag: 'locations',
  params: storeImageParams,
  answers: { 204: nothing('The store has the image no longer') },
  errors: [403, 404, 409, 413, 415]
})

interface StoreImageParams {
  readonly store: string
  readonly id: string
}

/** Removal of an image from one of its stores (R17, SD1–SD8). */
export function storeImageRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, stores, collector, policy } = context
  app.delete<{ Params: StoreImageParams }>(
    '/stores/:store/:id',
    { onRequest: refuseBody, schema },
    async (request, reply) => {
      const { store, id } = request.params
      if (stores.get(store) === undefined) {
        throw new TankError('IMAGE_STATE', `There is no store '${store.slice(0, 64)}'`)
      }
      const caller = registryCaller(request)
      const image = parseDocument(await registry.getImage(caller, id))
      policy.demand(request.caller, 'get_image_location', image)
      policy.demand(request.caller, 'delete_image_location', image)
      await registry.removeFromStore(caller, id, store)
      collector.nudge()
      return reply.code(204).send()
    }
  )
}
