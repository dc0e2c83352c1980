import { isUuid } from '@tank/model'
import { Type } from 'typebox'
import { claimGarbage, countGarbage, garbageDeleted } from '../garbage.ts'
import {
  ClaimGarbageSchema,
  GarbageCountSchema,
  GarbageDeletedSchema,
  GarbagePlacementSchema
} from '../schemas.ts'
import { NoContent, OperationParams, type RoutePlugin } from './route.ts'

const tags = ['garbage']

const countRoute: RoutePlugin = async (app, { database }) => {
  app.get(
    '/garbage',
    {
      schema: {
        summary: 'Garbage by store',
        tags,
        querystring: Type.Object({ store: Type.Optional(Type.String()) }),
        response: { 200: Type.Object({ garbage: Type.Array(GarbageCountSchema) }) }
      }
    },
    async (request) => ({ garbage: await countGarbage(database, request.query.store) })
  )
}

export const garbageRoutes: RoutePlugin = async (app, options) => {
  const { database, settings } = options
  await app.register(countRoute, options)
  app.post(
    '/garbage/claim',
    {
      schema: {
        summary: 'Take garbage to delete',
        description: 'Each placement goes to one collector at a time, for 60 seconds.',
        tags,
        body: ClaimGarbageSchema,
        response: { 200: Type.Object({ garbage: Type.Array(GarbagePlacementSchema) }) }
      }
    },
    async ({ body }) => ({ garbage: await claimGarbage(database, body.stores, body.limit) })
  )
  app.post(
    '/garbage/:id/deleted',
    {
      schema: {
        summary: 'A store says that the key is gone',
        description:
          'Its bytes leave the usage. The placement is handed out again until no writer can be left, then it is removed.',
        tags,
        params: OperationParams,
        body: GarbageDeletedSchema,
        response: { 204: NoContent }
      }
    },
    async ({ params, body }, reply) => {
      if (isUuid(params.id)) await garbageDeleted(database, params.id, body.claim, settings)
      return reply.code(204).send(null)
    }
  )
}
