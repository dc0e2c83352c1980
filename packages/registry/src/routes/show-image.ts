import { showImage, showImageData } from '../images/show.ts'
import { ImageDataSchema, ImageDocumentSchema } from '../schemas.ts'
import { ImageParams, type RoutePlugin, sendImage, sendJson } from './route.ts'

export const showImageRoute: RoutePlugin = async (app, { database }) => {
  app.get(
    '/images/:id',
    {
      schema: {
        summary: 'Show an image',
        description: '`ETag` is the version. What the caller may not see is not found.',
        tags: ['images'],
        params: ImageParams,
        response: { 200: ImageDocumentSchema }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      return sendImage(reply, await showImage(database, request.registryCaller, id))
    }
  )

  app.get(
    '/images/:id/data',
    {
      schema: {
        summary: 'Where the data of an image lies',
        description: 'All that a download needs, in one call.',
        tags: ['images'],
        params: ImageParams,
        response: { 200: ImageDataSchema }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      return sendJson(reply, await showImageData(database, request.registryCaller, id))
    }
  )
}
