import { isUuid, TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import { demandCache, shownFile } from '../../cache/shown.ts'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import type { ImageParams } from './show.ts'

/** The cache of this node (v1 1.16). What v1 has one action for are three in v2, and so here. */
export function cacheRoutes(app: FastifyInstance, context: ApiContext): void {
  const { policy } = context
  const enabled = () => demandCache(context)

  app.get('/cached_images', { onRequest: refuseBody }, async (request) => {
    policy.demand(request.caller, 'cache_list')
    return { cached_images: (await enabled().images.list()).map(shownFile) }
  })
  app.delete('/cached_images', async (request) => {
    policy.demand(request.caller, 'cache_delete')
    return { num_deleted: await enabled().images.clear({ cache: true, queue: false }) }
  })
  app.delete<{ Params: ImageParams }>('/cached_images/:id', async (request, reply) => {
    policy.demand(request.caller, 'cache_delete')
    await enabled().images.folder.remove(request.params.id)
    return reply.send()
  })

  app.get('/queued_images', { onRequest: refuseBody }, async (request) => {
    policy.demand(request.caller, 'cache_list')
    return { queued_images: await enabled().images.folder.queue.ids() }
  })
  app.delete('/queued_images', async (request) => {
    policy.demand(request.caller, 'cache_delete')
    return { num_deleted: await enabled().images.clear({ cache: false, queue: true }) }
  })
  app.put<{ Params: ImageParams }>('/queued_images/:id', async (request, reply) => {
    policy.demand(request.caller, 'cache_image')
    const { images, keeper } = enabled()
    // whether there is such an image is seen when its turn comes
    const { id } = request.params
    if (!isUuid(id)) throw new TankError('IMAGE_NOT_FOUND', 'No image with this id was found.')
    await images.folder.queue.add(id.toLowerCase())
    keeper.nudge()
    return reply.send()
  })
  app.delete<{ Params: ImageParams }>('/queued_images/:id', async (request, reply) => {
    policy.demand(request.caller, 'cache_delete')
    await enabled().images.folder.queue.remove(request.params.id)
    return reply.send()
  })
}
