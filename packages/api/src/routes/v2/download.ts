import { type ImageData, TankError } from '@tank/model'
import { disconnectSignal } from '@tank/service'
import type { ByteRange } from '@tank/store'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { notModified, rangeAllowed, type Validators } from '../../download/conditional.ts'
import { openData } from '../../download/open-data.ts'
import { parseContentRange, parseRange } from '../../download/range.ts'
import { sendSource } from '../../download/send-source.ts'
import { refuseBody } from '../../http/bodies.ts'
import { type Caller, registryCaller } from '../../identity/caller.ts'
import { content, nothing, operation } from '../../openapi/operation.ts'
import { downloadHeaders, downloadQuery, imageParams } from '../../openapi/parameters.ts'
import type { Policy } from '../../policy/policy.ts'
import type { ImageParams } from './images.ts'

const BYTES = {
  description: 'The bytes of the image',
  contentMediaType: 'application/octet-stream'
}
const header = (description: string) => ({ type: 'string', description })
const validatorHeaders = {
  etag: header('Strong; made of the SHA-256 of the data'),
  'last-modified': header('When the data was complete')
}
const dataAnswer = (description: string, more: object = {}) =>
  content('application/octet-stream', BYTES, description, {
    ...validatorHeaders,
    'content-md5': header('MD5 of the whole data, hexadecimal; absent where it is not known'),
    ...more
  })

const schema = operation({
  operationId: 'downloadImage',
  summary: 'Download the data of an image',
  tag: 'data',
  params: imageParams,
  querystring: downloadQuery,
  headers: downloadHeaders,
  answers: {
    200: dataAnswer('All of the data'),
    204: nothing('The image has no data yet'),
    206: dataAnswer('The range that was asked for', {
      'content-range': header('Which bytes these are')
    }),
    304: nothing('The client has the data already', validatorHeaders)
  },
  errors: [403, 404, 416]
})

function preferredStores(context: ApiContext, prefer: unknown): string[] {
  const text = Array.isArray(prefer) ? prefer.join(',') : String(prefer ?? '')
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  for (const name of names) {
    if (context.stores.get(name) === undefined)
      throw new TankError('INVALID_REQUEST', `There is no store '${name.slice(0, 64)}'`)
  }
  return names
}

function wantedRange(
  request: FastifyRequest,
  size: number,
  validators: Validators
): ByteRange | undefined {
  const { range, 'content-range': contentRange } = request.headers
  if (range !== undefined)
    return rangeAllowed(request.headers, validators) ? parseRange(range, size) : undefined
  return contentRange === undefined ? undefined : parseContentRange(contentRange, size)
}

function demandDownload(
  policy: Policy,
  caller: Caller,
  data: ImageData,
  prefer: readonly string[]
): void {
  policy.demand(caller, 'download_image', data)
  if (prefer.length > 0) policy.demand(caller, 'download_from_store', data)
  if (data.status === 'deactivated') policy.demand(caller, 'download_deactivated', data)
}

/** Headers of image data: private to the caller, to be asked for again each time (S-03). */
function dataHeaders(reply: FastifyReply, md5: string | null, validators: Validators): void {
  reply.headers({
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'last-modified': validators.lastModified.toUTCString(),
    'cache-control': 'private, no-cache',
    'content-disposition': 'attachment',
    'x-content-type-options': 'nosniff'
  })
  if (validators.etag !== undefined) reply.header('etag', validators.etag)
  if (md5 !== null) reply.header('content-md5', md5)
}

/** Download of image data (R8, B1–B13). */
export function downloadRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, policy } = context

  const handle = async (
    request: FastifyRequest<{ Params: ImageParams; Querystring: { prefer?: unknown } }>,
    reply: FastifyReply
  ): Promise<unknown> => {
    const prefer = preferredStores(context, request.query.prefer)
    const data = await registry.getImageData(registryCaller(request), request.params.id)
    demandDownload(policy, request.caller, data, prefer)
    const { blob } = data
    const readable = data.status === 'active' || data.status === 'deactivated'
    if (blob === null || !readable) return reply.code(204).send()
    const validators = {
      etag: blob.sha256 === null ? undefined : `"${blob.sha256}"`,
      lastModified: new Date(blob.completed_at)
    }
    if (notModified(request.headers, validators)) {
      dataHeaders(reply, blob.md5, validators)
      return reply.code(304).send()
    }
    const range = wantedRange(request, blob.size, validators)
    const status = range === undefined ? 200 : 206
    const length = range?.length ?? blob.size
    const headers: Record<string, string | number> = { 'content-length': length }
    if (range !== undefined) {
      const last = range.offset + range.length - 1
      headers['content-range'] = `bytes ${range.offset}-${last}/${blob.size}`
    }
    const signal = disconnectSignal(reply)
    const wanted = { data, range, prefer, signal, log: request.log }
    const reader = request.method === 'HEAD' ? undefined : await openData(context, wanted)
    // an error has none of them
    dataHeaders(reply, blob.md5, validators)
    if (reader === undefined) return reply.code(status).headers(headers).send()
    await sendSource(reply, status, headers, reader, config.transfers.stallSeconds)
    return reply
  }

  app.route({
    method: ['GET', 'HEAD'],
    url: '/images/:id/file',
    onRequest: refuseBody,
    schema,
    handler: handle
  })
}
