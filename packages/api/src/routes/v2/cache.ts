import { isTankError, TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { CachedFile } from '../../cache/cache-folder.ts'
import type { CacheParts } from '../../cache/open-cache.ts'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import type { ImageParams } from './images.ts'

const seconds = (time: Date | undefined) => (time === undefined ? 0 : time.getTime() / 1000)

const shown = ({ id, hits, accessed, modified, size }: CachedFile) => ({
  image_id: id,
  hits,
  last_accessed: seconds(accessed),
  last_modified: seconds(modified),
  size
})

/** What a request wants to be cleared (K5). */
function clearTarget(request: FastifyRequest): {
  readonly cache: boolean
  readonly queue: boolean
} {
  const target = String(request.headers['x-image-cache-clear-target'] ?? '').trim()
  if (!['', 'cache', 'queue'].includes(target)) {
    const message = "x-image-cache-clear-target is 'cache', 'queue' or, for both, not sent"
    throw new TankError('INVALID_REQUEST', message)
  }
  return { cache: target !== 'queue', queue: target !== 'cache' }
}

/** The cache of this node (R21–R24, K1–K8). */
export function cacheRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context
  const enabled = (): CacheParts => {
    if (context.cache !== undefined) return context.cache
    throw new TankError('NOT_FOUND', 'This service keeps no cache of images')
  }
  wholeRoutes(app, context, enabled)

  app.put<{ Params: ImageParams }>('/cache/:id', async (request, reply) => {
    const data = await registry.getImageData(registryCaller(request), request.params.id)
    policy.demand(request.caller, 'cache_image')
    const { images, keeper } = enabled()
    const refusal = images.refusal(data)
    if (refusal !== undefined) throw new TankError('INVALID_REQUEST', refusal)
    await images.folder.queue.add(data.id)
    keeper.nudge()
    return reply.code(202).send()
  })

  app.delete<{ Params: ImageParams }>('/cache/:id', async (request, reply) => {
    const { id } = request.params
    try {
      await registry.getImage(registryCaller(request), id)
    } catch (error) {
      // an image that is gone may still be here; whoever may not know that hears nothing else
      const isGone = isTankError(error, 'IMAGE_NOT_FOUND') && context.cache !== undefined
      if (!isGone || !policy.may(request.caller, 'cache_delete')) throw error
      if (await context.cache?.images.remove(id)) return reply.code(204).send()
      throw error
    }
    policy.demand(request.caller, 'cache_delete')
    await enabled().images.remove(id)
    return reply.code(204).send()
  })

  app.get<{ Params: ImageParams }>(
    '/cache/nodes/:id',
    { onRequest: refuseBody },
    async (request) => {
      await registry.getImage(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'list_cached_nodes')
      enabled()
      const message = 'Each node knows its own cache alone: ask every node for GET /v2/cache'
      throw new TankError('IMAGE_STATE', message)
    }
  )
}

/** Routes about all of the cache. */
function wholeRoutes(
  app: FastifyInstance,
  { policy }: ApiContext,
  enabled: () => CacheParts
): void {
  app.get('/cache', { onRequest: refuseBody }, async (request) => {
    policy.demand(request.caller, 'cache_list')
    const { images } = enabled()
    const cached = await images.list()
    return { cached_images: cached.map(shown), queued_images: await images.folder.queue.ids() }
  })

  app.delete('/cache', async (request, reply) => {
    policy.demand(request.caller, 'cache_delete')
    const { images } = enabled()
    await images.clear(clearTarget(request))
    return reply.code(204).send()
  })

  app.post('/cache/clean', async (request, reply) => {
    policy.demand(request.caller, 'cache_clean')
    await enabled().keeper.clean()
    return reply.code(200).send()
  })

  app.post('/cache/prune', async (request) => {
    policy.demand(request.caller, 'cache_prune')
    const { files, bytes } = await enabled().images.prune()
    return { total_files_pruned: files, total_bytes_pruned: bytes }
  })
}
