import { Type } from 'typebox'
import { TaskSchema } from '../background-schemas.ts'
import { removeFromStore } from '../images/remove-from-store.ts'
import { listImageTasks } from '../operations/tasks.ts'
import { ImageParams, NoContent, type RoutePlugin } from './route.ts'

/** What became of an image's background work, and the way out of one store. */
export const imageStoreRoutes: RoutePlugin = async (app, { database, settings }) => {
  app.get(
    '/images/:id/tasks',
    {
      schema: {
        summary: 'Background work on an image',
        description:
          'Of the own project; administrators see all. Forgotten some time after its end.',
        tags: ['images'],
        params: ImageParams,
        response: { 200: Type.Object({ tasks: Type.Array(TaskSchema) }) }
      }
    },
    async ({ params, registryCaller }) => ({
      tasks: await listImageTasks(database, registryCaller, params.id, settings.tasksKeptMs)
    })
  )
  app.delete(
    '/images/:id/stores/:store',
    {
      schema: {
        summary: 'Take the data of an active image out of one store',
        description: '403 when it is the only one, 404 when the image is not there.',
        tags: ['images'],
        params: Type.Object({ id: Type.String(), store: Type.String() }),
        response: { 204: NoContent }
      }
    },
    async ({ params, registryCaller }, reply) => {
      await removeFromStore(database, registryCaller, params.id, params.store)
      return reply.code(204).send(null)
    }
  )
}
