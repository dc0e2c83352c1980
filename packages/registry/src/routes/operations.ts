import { Type } from 'typebox'
import { requireAdmin } from '../http/caller.ts'
import { listOperations, showOperation } from '../operations/list.ts'
import { releaseOperations } from '../operations/stop.ts'
import { OperationDocumentSchema, OperationState, ReleaseSchema, Uuid } from '../schemas.ts'
import { OperationParams, type RoutePlugin } from './route.ts'

const tags = ['operations']
const MOST = 1000

const releaseRoute: RoutePlugin = async (app, { database, settings, log }) => {
  app.post(
    '/operations/release',
    {
      schema: {
        summary: 'End the running operations of dead workers',
        description: 'All whose `worker` begins with the prefix.',
        tags,
        body: ReleaseSchema,
        response: { 200: Type.Object({ released: Type.Integer() }) }
      }
    },
    async ({ body, registryCaller }) => ({
      released: await releaseOperations(database, registryCaller, body.worker_prefix, {
        tries: settings.tries,
        log
      })
    })
  )
}

/** What administrators look at. */
export const operationRoutes: RoutePlugin = async (app, options) => {
  const { database } = options
  await app.register(releaseRoute, options)
  app.get(
    '/operations',
    {
      schema: {
        summary: 'The latest operations, the newest first',
        tags,
        querystring: Type.Object({
          image_id: Type.Optional(Uuid),
          state: Type.Optional(OperationState)
        }),
        response: { 200: Type.Object({ operations: Type.Array(OperationDocumentSchema) }) }
      }
    },
    async (request) => {
      requireAdmin(request)
      const { image_id, state } = request.query
      return { operations: await listOperations(database, { imageId: image_id, state }, MOST) }
    }
  )
  app.get(
    '/operations/:id',
    {
      schema: {
        summary: 'Show an operation',
        tags,
        params: OperationParams,
        response: { 200: OperationDocumentSchema }
      }
    },
    (request) => {
      requireAdmin(request)
      return showOperation(database, request.params.id)
    }
  )
}
