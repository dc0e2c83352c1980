import { type ImageV1, imageHeaders, TankError } from '@tank/model'
import { disconnectSignal } from '@tank/service'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { openData } from '../../download/open-data.ts'
import { sendSource } from '../../download/send-source.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { shownImage } from './shown.ts'

export interface ImageParams {
  readonly id: string
}

/** What answers about one image begin with: its metadata, and its MD5 as a bare `ETag`. */
function metadataHeaders(reply: FastifyReply, image: ImageV1): void {
  reply.headers(imageHeaders(image))
  if (image.checksum !== null) reply.header('etag', image.checksum)
}

function notReadable(): TankError {
  return new TankError('IMAGE_NOT_FOUND', 'The image has no data that can be read.')
}

/** The headers and the data of one image (v1 1.7). */
export function showRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy, config } = context

  app.head<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody },
    async (request, reply) => {
      const record = await registry.getRecord(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'get_image')
      metadataHeaders(reply, shownImage(context, request, record))
      return reply.type('application/octet-stream').send()
    }
  )

  app.get<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody },
    async (request, reply) => {
      const caller = registryCaller(request)
      const { id } = request.params
      const [record, data] = await Promise.all([
        registry.getRecord(caller, id),
        registry.getImageData(caller, id)
      ])
      policy.demand(request.caller, 'get_image')
      policy.demand(request.caller, 'download_image', data)
      if (record.status !== 'active' || data.status !== 'active') throw notReadable()
      const size = data.blob?.size ?? 0
      const signal = disconnectSignal(reply)
      const wanted = { data, range: undefined, prefer: [], signal, log: request.log }
      const reader = size === 0 ? undefined : await openData(context, wanted)
      // an error has none of them
      metadataHeaders(reply, shownImage(context, request, record))
      reply.headers({
        'content-type': 'application/octet-stream',
        'cache-control': 'private, no-store',
        'content-disposition': 'attachment',
        'x-content-type-options': 'nosniff'
      })
      if (reader === undefined) return reply.header('content-length', 0).send()
      const length = { 'content-length': size }
      await sendSource(reply, 200, length, reader, config.transfers.stallSeconds)
      return reply
    }
  )
}
