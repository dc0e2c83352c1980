import type { Readable } from 'node:stream'
import type { RawDocument } from '@tank/client'
import { type ImageDocument, isTankError, TankError } from '@tank/model'
import { bodyRateGuard, sendContinue } from '@tank/service'
import { isWritable, type WritableStore } from '@tank/store'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { type IngestRequest, ingest, UPLOAD } from '../../ingest/ingest.ts'
import { SenderGone } from '../../ingest/intake.ts'
import { nothing, operation } from '../../openapi/operation.ts'
import { imageParams, uploadHeaders } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const schema = operation({
  operationId: 'uploadImage',
  summary: 'Upload the data of an image',
  description:
    'The image becomes `active` when all data is stored. Its data never changes after that.',
  tag: 'data',
  params: imageParams,
  headers: uploadHeaders,
  body: { 'application/octet-stream': { description: 'The bytes of the image' } },
  answers: { 204: nothing('The image is active') },
  errors: [403, 404, 409, 410, 413, 415]
})

/** Media type of image data; parameters are ignored, anything else is 415. */
export function demandOctets(request: FastifyRequest): void {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/octet-stream') {
    throw new TankError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Image data must be sent as application/octet-stream'
    )
  }
  const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (coding !== 'identity' && coding !== '') {
    throw new TankError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Image data must be sent without Content-Encoding'
    )
  }
}

/** The size that the sender announces, by its own header or by Content-Length. */
export function announcedSize(request: FastifyRequest): number | undefined {
  const own = request.headers['x-openstack-image-size']
  const length = request.headers['content-length']
  if (own === undefined) return length === undefined ? undefined : Number(length)
  if (typeof own !== 'string' || !/^\s*\d+\s*$/.test(own) || !Number.isSafeInteger(Number(own))) {
    throw new TankError('INVALID_REQUEST', 'x-openstack-image-size must be a number of bytes')
  }
  return Number(own)
}

/** A store that takes images, and its name: the default one unless a name is given. */
export function targetStore(
  context: ApiContext,
  wished?: string | string[]
): { readonly name: string; readonly store: WritableStore } {
  const name = typeof wished === 'string' && wished !== '' ? wished : (context.stores.default ?? '')
  const store = context.stores.get(name)
  if (store === undefined) {
    throw new TankError('INVALID_REQUEST', `There is no store '${name.slice(0, 64)}'`)
  }
  if (!isWritable(store)) {
    throw new TankError('STORE_READ_ONLY', `Store '${name}' does not take images`)
  }
  return { name, store }
}

function demandReady(image: ImageDocument, announced: number | undefined, cap: number): void {
  if (image.status !== 'queued') {
    throw new TankError('IMAGE_STATE', `Data cannot be uploaded: the image is ${image.status}.`)
  }
  if (image.disk_format === null || image.container_format === null) {
    throw new TankError(
      'INVALID_REQUEST',
      'Set disk_format and container_format of the image before the upload'
    )
  }
  demandSize(announced, cap)
}

/** Throws TOO_LARGE when more is announced than an image may have. */
export function demandSize(announced: number | undefined, cap: number): void {
  if (announced !== undefined && announced > cap) {
    throw new TankError('TOO_LARGE', `An image has at most ${cap} bytes`)
  }
}

type Taken = Omit<IngestRequest, 'caller' | 'body' | 'log' | 'signal' | 'onBegin'>

/** Takes data in that a request brings, in the words of who sent it when that fails. */
export async function takeBody(
  context: ApiContext,
  request: FastifyRequest,
  taken: Taken,
  body: Readable = request.raw
): Promise<RawDocument> {
  const { minimumRate } = context.config.transfers
  const guard = bodyRateGuard(request, { bytesPerSecond: minimumRate })
  try {
    return await ingest(context.ingest, {
      ...taken,
      caller: registryCaller(request),
      body,
      log: request.log,
      signal: guard.signal,
      onBegin: () => sendContinue(request)
    })
  } catch (error) {
    if (error instanceof SenderGone) {
      throw new TankError('INVALID_REQUEST', 'The body was not complete', { cause: error })
    }
    if (isTankError(error, 'IMAGE_BUSY')) {
      const message = 'Another upload to this image is running.'
      throw new TankError('IMAGE_BUSY', message, { cause: error })
    }
    throw error
  } finally {
    guard.stop()
  }
}

/** Upload of image data (R7, U1–U12, SG1–SG5). */
export function uploadRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, policy } = context
  app.put<{ Params: ImageParams }>(
    '/images/:id/file',
    { onRequest: async (request) => demandOctets(request), config: { lateContinue: true }, schema },
    async (request, reply) => {
      const announced = announcedSize(request)
      const { name, store } = targetStore(context, request.headers['x-image-meta-store'])
      const raw = await registry.getImage(registryCaller(request), request.params.id)
      const image = parseDocument(raw)
      policy.demand(request.caller, 'upload_image', image)
      demandReady(image, announced, config.imageSizeCap)
      const signature = context.signatures.demanded(image)
      const weight = context.stores.entry(name)?.weight
      const target = {
        imageId: image.id,
        storeName: name,
        store,
        weight,
        signature,
        declared: image
      }
      await takeBody(context, request, { ...target, kind: UPLOAD, announced })
      return reply.code(204).send()
    }
  )
}
