import { Type } from 'typebox'
import {
  ActivateLocationSchema,
  BeginTargetSchema,
  ClaimOperationSchema,
  CompleteSchema,
  EnqueueOperationSchema,
  JobSchema,
  TargetFailedSchema,
  TargetStoredSchema
} from '../background-schemas.ts'
import { activateLocation } from '../operations/activate.ts'
import { claimOperation } from '../operations/claim.ts'
import { completeOperation } from '../operations/complete.ts'
import { enqueueOperation } from '../operations/enqueue.ts'
import { beginTarget, targetFailed, targetStored } from '../operations/run-target.ts'
import { nullable } from '../schemas.ts'
import { NoContent, OperationParams, type RoutePlugin } from './route.ts'

const tags = ['operations']
const params = OperationParams
const response = { 204: NoContent }

const queueRoutes: RoutePlugin = async (app, { database, settings }) => {
  app.post(
    '/operations/enqueue',
    {
      schema: {
        summary: 'Ask for background work',
        description:
          'It waits for a worker that has its stores; the image is taken until it is over. Copies reserve their bytes. Idempotent by `id`.',
        tags,
        body: EnqueueOperationSchema,
        response
      }
    },
    async ({ body, registryCaller }, reply) => {
      await enqueueOperation(database, registryCaller, body, settings)
      return reply.code(204).send(null)
    }
  )
  app.post(
    '/operations/claim',
    {
      schema: {
        summary: 'Take background work',
        description:
          'The longest waiting one that the worker has the stores for; null when there is none. Work whose worker died is handed out again, a bounded number of times. Idempotent by `attempt`.',
        tags,
        body: ClaimOperationSchema,
        response: { 200: Type.Object({ job: nullable(JobSchema) }) }
      }
    },
    async ({ body }) => ({
      job: await claimOperation(database, body, settings)
    })
  )
}

const targetRoutes: RoutePlugin = async (app, { database, settings }) => {
  const summary = 'Note where a copy is about to be written'
  app.post(
    '/operations/:id/placements',
    { schema: { summary, tags, params, body: BeginTargetSchema, response } },
    async ({ params: { id }, body }, reply) => {
      await beginTarget(database, id, body)
      return reply.code(204).send(null)
    }
  )
  app.post(
    '/operations/:id/placements/stored',
    {
      schema: {
        summary: 'The bytes of one target lie in its store',
        description: 'Other bytes than the image has are 409. Idempotent.',
        tags,
        params,
        body: TargetStoredSchema,
        response
      }
    },
    async ({ params: { id }, body }, reply) => {
      await targetStored(database, id, body, settings.quotas)
      return reply.code(204).send(null)
    }
  )
  app.post(
    '/operations/:id/placements/failed',
    {
      schema: {
        summary: 'One target cannot be written',
        tags,
        params,
        body: TargetFailedSchema,
        response
      }
    },
    async ({ params: { id }, body }, reply) => {
      await targetFailed(database, id, body)
      return reply.code(204).send(null)
    }
  )
}

/** What workers of background work call. */
export const backgroundRoutes: RoutePlugin = async (app, options) => {
  const { database, settings } = options
  await app.register(queueRoutes, options)
  await app.register(targetRoutes, options)
  app.post(
    '/operations/:id/activate',
    {
      schema: {
        summary: 'Make an image usable whose data lies outside',
        description: 'Before its digests are known. The operation goes on. Idempotent.',
        tags,
        params,
        body: ActivateLocationSchema,
        response
      }
    },
    async ({ params: { id }, body, registryCaller }, reply) => {
      await activateLocation(database, registryCaller, id, body)
      return reply.code(204).send(null)
    }
  )
  app.post(
    '/operations/:id/complete',
    {
      schema: {
        summary: 'End background work that has reported all its steps',
        description: 'With success when enough of them succeeded. Idempotent.',
        tags,
        params,
        body: CompleteSchema,
        response
      }
    },
    async ({ params: { id }, body, registryCaller }, reply) => {
      const { quotas } = settings
      await completeOperation(database, registryCaller, id, body, quotas)
      return reply.code(204).send(null)
    }
  )
}
