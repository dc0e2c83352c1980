import { TankError } from '@tank/model'
import { updateImage } from '../images/update.ts'
import { ImageDocumentSchema, UpdateImageSchema } from '../schemas.ts'
import { ImageParams, parseVersion, type RoutePlugin, sendImage } from './route.ts'

export const updateImageRoute: RoutePlugin = async (app, { database, settings }) => {
  app.patch(
    '/images/:id',
    {
      schema: {
        summary: 'Change an image',
        description:
          'Compare-and-set: `If-Match` has to be the current `ETag`, else 412. Only what is given changes; `tags` and `properties` are given whole. `locations` are added, removed and described; the first one makes a queued image active.',
        tags: ['images'],
        params: ImageParams,
        body: UpdateImageSchema,
        response: { 200: ImageDocumentSchema }
      }
    },
    async (request, reply) => {
      const version = parseVersion(request.headers['if-match'])
      if (version === undefined) {
        throw new TankError('INVALID_REQUEST', 'If-Match has to be the ETag of the image.')
      }
      const { id } = request.params
      const { quotas } = settings
      const caller = request.registryCaller
      const image = await updateImage(database, caller, id, version, request.body, quotas)
      return sendImage(reply, image)
    }
  )
}
