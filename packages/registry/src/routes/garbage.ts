import { isUuid } from '@tank/model'
import { Type } from 'typebox'
import { claimGarbage, countGarbage, findOrphans, garbageDeleted } from '../garbage.ts'
import {
  ClaimGarbageSchema,
  GarbageCountSchema,
  GarbageDeletedSchema,
  GarbagePlacementSchema
} from '../schemas.ts'
import { NoContent, OperationParams, type RoutePlugin } from './route.ts'

const tags = ['garbage']
const MAX_KEYS = 1000

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

const orphansRoute: RoutePlugin = async (app, { database }) => {
  app.post(
    '/garbage/orphans',
    {
      schema: {
        summary: 'Keys that lie in a store and that no record names',
        description:
          'Of the keys that are given. A record stands before its first byte, so what is not known after it was seen in the store belongs to nobody here.',
        tags,
        body: Type.Object({
          store: Type.String(),
          keys: Type.Array(Type.String({ maxLength: 64 }), { maxItems: MAX_KEYS })
        }),
        response: { 200: Type.Object({ orphans: Type.Array(Type.String()) }) }
      }
    },
    async ({ body }) => ({ orphans: await findOrphans(database, body.store, body.keys) })
  )
}

export const garbageRoutes: RoutePlugin = async (app, options) => {
  const { database, settings } = options
  await app.register(countRoute, options)
  await app.register(orphansRoute, options)
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
