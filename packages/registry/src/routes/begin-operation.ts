import { beginOperation } from '../operations/begin.ts'
import { BeginOperationSchema, LeaseSchema } from '../schemas.ts'
import type { RoutePlugin } from './route.ts'

export const beginOperationRoute: RoutePlugin = async (app, { database, settings }) => {
  app.post(
    '/operations',
    {
      schema: {
        summary: 'Begin an operation',
        description:
          'The write-ahead record: status of the image, blob, placement, reservation. Idempotent by `id` and `attempt`. Over quota nothing begins, and an image whose `fallback` is `killed` is killed.',
        tags: ['operations'],
        body: BeginOperationSchema,
        response: { 201: LeaseSchema }
      }
    },
    async (request, reply) => {
      reply.code(201)
      return beginOperation(database, request.registryCaller, request.body, settings)
    }
  )
}
