import { Type } from 'typebox'
import { listPending, restoreImage, scrubImages } from '../images/pending-delete.ts'
import { PendingDeleteSchema } from '../schemas.ts'
import { ImageParams, NoContent, type RoutePlugin } from './route.ts'

const MOST = 1000

/** What became of deletions that wait: `deleteDelaySeconds`. */
export const pendingDeleteRoutes: RoutePlugin = async (app, { database, settings, log }) => {
  const { deleteDelayMs, quotas } = settings

  app.get(
    '/garbage/images',
    {
      schema: {
        summary: 'Images that wait for their deletion',
        description: `At most ${MOST}, those that are due first.`,
        tags: ['garbage'],
        response: { 200: Type.Object({ images: Type.Array(PendingDeleteSchema) }) }
      }
    },
    async () => ({ images: await listPending(database, deleteDelayMs, MOST) })
  )

  app.post(
    '/garbage/images/scrub',
    {
      schema: {
        summary: 'Delete for good what has waited for long enough',
        description:
          'Some of it: the next call goes on, and 0 says that nothing is left. The registry does so by itself, too; this is for who will not wait for it.',
        tags: ['garbage'],
        response: { 200: Type.Object({ scrubbed: Type.Integer() }) }
      }
    },
    async () => ({ scrubbed: await scrubImages(database, deleteDelayMs, log) })
  )

  app.post(
    '/images/:id/restore',
    {
      schema: {
        summary: 'Take back a deletion that waits',
        description:
          'Needs the scope `all`. The image is as it was; 409 IMAGE_STATE when it does not wait, 413 QUOTA_EXCEEDED when its project may have no further image.',
        tags: ['images'],
        params: ImageParams,
        response: { 204: NoContent }
      }
    },
    async ({ params, registryCaller }, reply) => {
      await restoreImage(database, registryCaller, params.id, quotas)
      return reply.code(204).send(null)
    }
  )
}
