import { createImage } from '../images/create.ts'
import { CreateImageSchema, ImageDocumentSchema } from '../schemas.ts'
import { type RoutePlugin, sendImage } from './route.ts'

export const createImageRoute: RoutePlugin = async (app, { database, settings }) => {
  app.post(
    '/images',
    {
      schema: {
        summary: 'Create an image',
        description: 'Idempotent by `id` and `create_token`. An id is taken for ever.',
        tags: ['images'],
        body: CreateImageSchema,
        response: { 201: ImageDocumentSchema }
      }
    },
    async (request, reply) => {
      const { quotas } = settings
      const image = await createImage(database, request.registryCaller, request.body, quotas)
      reply.code(201).header('location', `/v1/images/${request.body.id}`)
      return sendImage(reply, image)
    }
  )
}
