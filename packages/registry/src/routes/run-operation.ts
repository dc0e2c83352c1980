import { finishOperation } from '../operations/finish.ts'
import { heartbeat } from '../operations/heartbeat.ts'
import { abandonOperation } from '../operations/stop.ts'
import {
  AbandonOperationSchema,
  FinishOperationSchema,
  HeartbeatSchema,
  ImageDocumentSchema,
  LeaseSchema
} from '../schemas.ts'
import { NoContent, OperationParams, type RoutePlugin, sendImage } from './route.ts'

const tags = ['operations']

const heartbeatRoute: RoutePlugin = async (app, { database, settings }) => {
  app.post(
    '/operations/:id/heartbeat',
    {
      schema: {
        summary: 'Renew the lease of an operation',
        description:
          'Uploads of unknown size reserve their progress: 413 when a quota is used up. 410 says: stop writing.',
        tags,
        params: OperationParams,
        body: HeartbeatSchema,
        response: { 200: LeaseSchema }
      }
    },
    (request) => heartbeat(database, request.params.id, request.body, settings)
  )
}

const finishRoute: RoutePlugin = async (app, { database, settings }) => {
  app.post(
    '/operations/:id/finish',
    {
      schema: {
        summary: 'End an operation with success',
        description: 'Idempotent for the same attempt; any other attempt is 410.',
        tags,
        params: OperationParams,
        body: FinishOperationSchema,
        response: { 200: ImageDocumentSchema }
      }
    },
    async ({ params, body, registryCaller }, reply) => {
      const { quotas } = settings
      const image = await finishOperation(database, registryCaller, params.id, body, quotas)
      return sendImage(reply, image)
    }
  )
}

const abandonRoute: RoutePlugin = async (app, { database }) => {
  app.post(
    '/operations/:id/abandon',
    {
      schema: {
        summary: 'End an operation without success',
        description: 'The worker has stopped writing. What is gone already is left alone.',
        tags,
        params: OperationParams,
        body: AbandonOperationSchema,
        response: { 204: NoContent }
      }
    },
    async ({ params, body, registryCaller }, reply) => {
      await abandonOperation(database, registryCaller, params.id, body)
      return reply.code(204).send(null)
    }
  )
}

/** What the worker of an operation calls while it runs. */
export const runOperationRoutes: RoutePlugin = async (app, options) => {
  await app.register(heartbeatRoute, options)
  await app.register(finishRoute, options)
  await app.register(abandonRoute, options)
}
