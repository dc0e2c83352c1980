import { notFoundError } from '@tank/service'
import type { FastifyPluginAsync } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { leaveBodiesAlone, readBodiesWhole } from '../../http/bodies.ts'
import { compressJson } from '../../http/compress.ts'
import { v2ErrorHandler } from '../../http/v2-errors.ts'
import { onlyDescribe } from '../../openapi/operation.ts'
import { actionRoutes } from './actions.ts'
import { cacheRoutes } from './cache.ts'
import { downloadRoute } from './download.ts'
import { imageRoutes } from './images.ts'
import { importRoutes } from './imports.ts'
import { infoRoutes } from './info.ts'
import { locationRoutes } from './locations.ts'
import { memberRoutes } from './members.ts'
import { metadefRoutes } from './metadefs/index.ts'
import { schemaRoutes } from './schemas.ts'
import { stageRoute } from './stage.ts'
import { storeImageRoutes } from './store-images.ts'
import { tagRoutes } from './tags.ts'
import { taskRoutes } from './tasks.ts'
import { uploadRoute } from './upload.ts'

/** The Image API v2, in a scope of its own: error bodies, body parsing. */
export function v2Routes(context: ApiContext): FastifyPluginAsync {
  return async (app) => {
    app.setErrorHandler(v2ErrorHandler)
    onlyDescribe(app)
    app.setNotFoundHandler((request) => {
      throw notFoundError(app, request.method, request.url)
    })
    app.addHook('onSend', async (_request, reply) => {
      if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
      reply.header('x-content-type-options', 'nosniff')
    })
    await app.register(async (json) => {
      readBodiesWhole(json)
      compressJson(json)
      imageRoutes(json, context)
      actionRoutes(json, context)
      tagRoutes(json, context)
      memberRoutes(json, context)
      importRoutes(json, context)
      storeImageRoutes(json, context)
      infoRoutes(json, context)
      locationRoutes(json, context)
      taskRoutes(json, context)
      metadefRoutes(json, context)
      cacheRoutes(json, context)
      schemaRoutes(json)
    })
    await app.register(async (data) => {
      leaveBodiesAlone(data)
      uploadRoute(data, context)
      stageRoute(data, context)
      downloadRoute(data, context)
    })
  }
}
