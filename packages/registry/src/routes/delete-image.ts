import { TankError } from '@tank/model'
import { deleteImage } from '../images/delete.ts'
import { ImageParams, NoContent, parseVersion, type RoutePlugin } from './route.ts'

export const deleteImageRoute: RoutePlugin = async (app, { database, settings }) => {
  app.delete(
    '/images/:id',
    {
      schema: {
        summary: 'Delete an image',
        description:
          'In any state. Running operations end as failures, what was written becomes garbage, the id stays taken. With `deleteDelaySeconds` an image that has data waits as `pending_delete` first. `If-Match` is optional.',
        tags: ['images'],
        params: ImageParams,
        response: { 204: NoContent }
      }
    },
    async (request, reply) => {
      const ifMatch = request.headers['if-match']
      const version = parseVersion(ifMatch)
      if (ifMatch !== undefined && version === undefined) {
        throw new TankError('INVALID_REQUEST', 'If-Match has to be the ETag of the image.')
      }
      await deleteImage(database, request.registryCaller, request.params.id, {
        version,
        delayMs: settings.deleteDelayMs
      })
      return reply.code(204).send(null)
    }
  )
}
