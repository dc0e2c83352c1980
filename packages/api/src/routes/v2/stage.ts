import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { stagingStore } from '../../imports/staging-store.ts'
import { STAGE } from '../../ingest/ingest.ts'
import { nothing, operation } from '../../openapi/operation.ts'
import { imageParams, stageHeaders } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'
import { announcedSize, demandOctets, demandSize, takeBody } from './upload.ts'

const schema = operation({
  operationId: 'stageImage',
  summary: 'Stage data for an import',
  description: 'The data is no part of the image before the import by method `glance-direct`.',
  tag: 'imports',
  params: imageParams,
  headers: stageHeaders,
  body: { 'application/octet-stream': { description: 'The bytes of the image' } },
  answers: { 204: nothing('The data is staged') },
  errors: [403, 404, 409, 410, 413, 415]
})

const SECONDS = 3600

/** Staging of data for the import method glance-direct (R9, T1–T6). Without it there is no such route. */
export function stageRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, stores } = context
  if (!config.imports.methods.includes('glance-direct')) return
  app.put<{ Params: ImageParams }>(
    '/images/:id/stage',
    { onRequest: async (request) => demandOctets(request), config: { lateContinue: true }, schema },
    async (request, reply) => {
      const announced = announcedSize(request)
      const raw = await registry.getImage(registryCaller(request), request.params.id)
      const image = parseDocument(raw)
      context.policy.demand(request.caller, 'modify_image', image)
      if (image.status !== 'queued') {
        throw new TankError('IMAGE_STATE', `Data cannot be staged: the image is ${image.status}.`)
      }
      demandSize(announced, config.imageSizeCap)
      const { name: storeName, store, weight } = stagingStore(config, stores)
      const keepSeconds = config.imports.stagingHours * SECONDS
      const target = { imageId: image.id, storeName, store, weight, declared: undefined }
      await takeBody(context, request, { ...target, kind: STAGE, announced, keepSeconds })
      return reply.code(204).send()
    }
  )
}
