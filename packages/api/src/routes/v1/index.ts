import { TankError } from '@tank/model'
import { notFoundError } from '@tank/service'
import type { FastifyPluginAsync } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { leaveBodiesAlone, readBodiesWhole } from '../../http/bodies.ts'
import { compressJson } from '../../http/compress.ts'
import { v1ErrorHandler } from '../../http/v1-errors.ts'
import { onlyDescribe } from '../../openapi/operation.ts'
import { cacheRoutes } from './cache.ts'
import { createRoute } from './create.ts'
import { deleteRoute } from './delete.ts'
import { listRoutes } from './list.ts'
import { memberRoutes } from './members.ts'
import { showRoutes } from './show.ts'
import { updateRoute } from './update.ts'

/**
 * The Image API v1, in a scope of its own: error bodies, body parsing. Who is asking was found out
 * before (`request.caller`), as for v2. It is described in docs/api-v1.md and not in the OpenAPI
 * document, which has no way to say that the names of headers are chosen by users.
 */
export function v1Routes(context: ApiContext): FastifyPluginAsync {
  return async (app) => {
    app.setErrorHandler(v1ErrorHandler)
    onlyDescribe(app)
    app.addHook('onRoute', (route) => {
      route.schema = { hide: true, ...route.schema }
    })
    app.setNotFoundHandler((request) => {
      const error = notFoundError(app, request.method, request.url)
      if (request.method !== 'OPTIONS' || error.code !== 'NOT_FOUND') throw error
      throw new TankError('METHOD_UNKNOWN', 'The method is not known to this server.')
    })
    app.addHook('onSend', async (_request, reply) => {
      if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
      reply.header('x-content-type-options', 'nosniff')
    })
    // answers of JSON, bodies read whole: lists, members, the cache
    await app.register(async (json) => {
      readBodiesWhole(json)
      compressJson(json)
      listRoutes(json, context)
      memberRoutes(json, context)
      cacheRoutes(json, context)
    })
    // bodies stay streams here: POST /images, PUT and DELETE /images/:id, and the data of an image
    await app.register(async (data) => {
      leaveBodiesAlone(data)
      showRoutes(data, context)
      createRoute(data, context)
      updateRoute(data, context)
      deleteRoute(data, context)
    })
  }
}
