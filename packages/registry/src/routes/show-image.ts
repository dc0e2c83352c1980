import { Type } from 'typebox'
import { findLocations, showImage, showImageData } from '../images/show.ts'
import {
  ImageDataSchema,
  ImageDocumentSchema,
  ImageLocationsSchema,
  strict,
  Uuid
} from '../schemas.ts'
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

  app.post(
    '/images/locations',
    {
      schema: {
        summary: 'Where the data of several images lies',
        description: 'Images that the caller may not see are left out.',
        tags: ['images'],
        body: Type.Object({ ids: Type.Array(Uuid, { maxItems: 1000 }) }, strict),
        response: { 200: Type.Object({ images: Type.Array(ImageLocationsSchema) }) }
      }
    },
    async ({ body, registryCaller }) => ({
      images: await findLocations(database, registryCaller, body.ids)
    })
  )
}
