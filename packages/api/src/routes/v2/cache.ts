import { isTankError, TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { CacheParts } from '../../cache/open-cache.ts'
import { demandCache, shownFile } from '../../cache/shown.ts'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { json, nothing, operation } from '../../openapi/operation.ts'
import { imageParams } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const count = (description: string) => ({ type: 'integer', minimum: 0, description })
const time = (description: string) => ({ type: 'number', description })

const CACHED = {
  type: 'object',
  required: ['image_id', 'hits', 'last_accessed', 'last_modified', 'size'],
  properties: {
    image_id: { type: 'string', description: 'Identifier of the image' },
    hits: count('Downloads that it served'),
    last_accessed: time('Seconds since 1970; 0: never'),
    last_modified: time('Seconds since 1970'),
    size: count('Bytes')
  }
}

const SCHEMAS = {
  list: operation({
    operationId: 'listCache',
    summary: 'List what the cache of this node has',
    tag: 'cache',
    answers: {
      200: json(
        {
          type: 'object',
          required: ['cached_images', 'queued_images'],
          properties: {
            cached_images: { type: 'array', items: CACHED },
            queued_images: { type: 'array', items: { type: 'string' } }
          }
        },
        'Images in the cache, and those that wait for their turn'
      )
    },
    errors: [403, 404]
  }),
  clear: operation({
    operationId: 'clearCache',
    summary: 'Remove all from the cache, from its queue, or from both',
    tag: 'cache',
    headers: Type.Object({
      'x-image-cache-clear-target': Type.Optional(
        Type.String({ enum: ['cache', 'queue'], description: 'Which; both, if not sent' })
      )
    }),
    answers: { 204: nothing('They are gone') },
    errors: [403, 404]
  }),
  queue: operation({
    operationId: 'cacheImage',
    summary: 'Queue an image for the cache',
    tag: 'cache',
    params: imageParams,
    answers: { 202: nothing('It waits for its turn') },
    errors: [403, 404]
  }),
  remove: operation({
    operationId: 'uncacheImage',
    summary: 'Remove an image from cache and queue',
    tag: 'cache',
    params: imageParams,
    answers: { 204: nothing('It is gone') },
    errors: [403, 404]
  }),
  nodes: operation({
    operationId: 'listCachedNodes',
    summary: 'Which nodes have an image in their cache',
    description: 'Each node knows its own cache alone, so this is refused with 409.',
    tag: 'cache',
    params: imageParams,
    answers: {},
    errors: [403, 404, 409]
  }),
  clean: operation({
    operationId: 'cleanCache',
    summary: 'Remove what is stalled or gone',
    tag: 'cache',
    answers: { 200: nothing('The cache is clean') },
    errors: [403, 404]
  }),
  prune: operation({
    operationId: 'pruneCache',
    summary: 'Bring the cache down to its size',
    tag: 'cache',
    answers: {
      200: json(
        {
          type: 'object',
          required: ['total_files_pruned', 'total_bytes_pruned'],
          properties: {
            total_files_pruned: count('Images that were removed'),
            total_bytes_pruned: count('Their bytes')
          }
        },
        'How much was removed'
      )
    },
    errors: [403, 404]
  })
}

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
  const enabled = () => demandCache(context)
  wholeRoutes(app, context, enabled)

  app.put<{ Params: ImageParams }>(
    '/cache/:id',
    { schema: SCHEMAS.queue },
    async (request, reply) => {
      const data = await registry.getImageData(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'cache_image')
      const { images, keeper } = enabled()
      const refusal = images.refusal(data)
      if (refusal !== undefined) throw new TankError('INVALID_REQUEST', refusal)
      await images.folder.queue.add(data.id)
      keeper.nudge()
      return reply.code(202).send()
    }
  )

  app.delete<{ Params: ImageParams }>(
    '/cache/:id',
    { schema: SCHEMAS.remove },
    async (request, reply) => {
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
    }
  )

  app.get<{ Params: ImageParams }>(
    '/cache/nodes/:id',
    { onRequest: refuseBody, schema: SCHEMAS.nodes },
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
  app.get('/cache', { onRequest: refuseBody, schema: SCHEMAS.list }, async (request) => {
    policy.demand(request.caller, 'cache_list')
    const { images } = enabled()
    const cached = await images.list()
    return { cached_images: cached.map(shownFile), queued_images: await images.folder.queue.ids() }
  })

  app.delete('/cache', { schema: SCHEMAS.clear }, async (request, reply) => {
    policy.demand(request.caller, 'cache_delete')
    const { images } = enabled()
    await images.clear(clearTarget(request))
    return reply.code(204).send()
  })

  app.post('/cache/clean', { schema: SCHEMAS.clean }, async (request, reply) => {
    policy.demand(request.caller, 'cache_clean')
    await enabled().keeper.clean()
    return reply.code(200).send()
  })

  app.post('/cache/prune', { schema: SCHEMAS.prune }, async (request) => {
    policy.demand(request.caller, 'cache_prune')
    const { files, bytes } = await enabled().images.prune()
    return { total_files_pruned: files, total_bytes_pruned: bytes }
  })
}
