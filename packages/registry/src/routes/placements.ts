import { isUuid, TankError } from '@tank/model'
import { Type } from 'typebox'
import { findPlacement, listPlacements } from '../placements.ts'
import { StoredPlacementSchema, Uuid } from '../schemas.ts'
import { OperationParams, type RoutePlugin } from './route.ts'

/** For those who compare the stores with what the registry says of them. */
export const placementRoutes: RoutePlugin = async (app, { database }) => {
  app.get(
    '/placements',
    {
      schema: {
        summary: 'What lies in a store',
        description:
          'Stored placements by id, with size and digests of their bytes. A page that is not full is the last one.',
        tags: ['placements'],
        querystring: Type.Object({
          store: Type.String({ maxLength: 255 }),
          after: Type.Optional(Uuid),
          limit: Type.Optional(
            Type.String({
              pattern: '^([1-9][0-9]{0,2}|1000)$',
              description: '1 to 1000; 100 unless told'
            })
          )
        }),
        response: { 200: Type.Object({ placements: Type.Array(StoredPlacementSchema) }) }
      }
    },
    async ({ query: { store, after, limit = '100' } }) => ({
      placements: await listPlacements(database, store, after, Number(limit))
    })
  )

  app.get(
    '/placements/:id',
    {
      schema: {
        summary: 'One stored placement',
        description: '404 NOT_FOUND when it is garbage, or gone.',
        tags: ['placements'],
        params: OperationParams,
        response: { 200: StoredPlacementSchema }
      }
    },
    async ({ params: { id } }) => {
      const found = isUuid(id) ? await findPlacement(database, id) : undefined
      if (found === undefined) throw new TankError('NOT_FOUND', 'no such placement is stored')
      return found
    }
  )
}
