import { setActive } from '../images/activate.ts'
import { ImageParams, NoContent, type RoutePlugin } from './route.ts'

export const activateImageRoute: RoutePlugin = async (app, { database }) => {
  for (const action of ['deactivate', 'reactivate'] as const) {
    app.post(
      `/images/:id/${action}`,
      {
        schema: {
          summary: action === 'deactivate' ? 'Deactivate an image' : 'Reactivate an image',
          description: 'No change when it is there already; 409 IMAGE_STATE from other statuses.',
          tags: ['images'],
          params: ImageParams,
          response: { 204: NoContent }
        }
      },
      async (request, reply) => {
        const active = action === 'reactivate'
        await setActive(database, request.registryCaller, request.params.id, active)
        return reply.code(204).send(null)
      }
    )
  }
}
