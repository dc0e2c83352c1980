import { type ImageRecord, TankError } from '@tank/model'
import { disconnectSignal } from '@tank/service'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { type Asked, changeOf, propertiesAfter } from './change.ts'
import { demandAction, demandUnchanged } from './changeable.ts'
import { kill, takeData } from './data.ts'
import { demandFormats, type Formats, readFormats } from './formats.ts'
import type { ImageParams } from './show.ts'
import { shownImage } from './shown.ts'
import { attach, copyWork, demandAttachable, sizeAt, sourceOf } from './source.ts'
import { type Target, targetOf } from './target.ts'
import { demandOctets, demandSize, readWish, type Wish } from './wish.ts'

function state(message: string): never {
  throw new TankError('IMAGE_STATE', message)
}

/** Refuses what the status of an image does not allow (v1 1.9). */
function demandStatus({ status }: ImageRecord, { meta, hasBody, copyFrom }: Wish): void {
  if (status === 'deleted') {
    throw new TankError('FORBIDDEN', 'The image is deleted and cannot be changed.')
  }
  if (status !== 'queued') {
    if (hasBody) state(`Data is sent for queued images only; this one is ${status}.`)
    if (meta.location !== undefined || copyFrom !== undefined) {
      const message = `Data is taken over for queued images only; this one is ${status}.`
      throw new TankError('INVALID_REQUEST', message)
    }
  }
  if (status === 'pending_delete') state('The image waits for its deletion; restore it first.')
}

interface Work extends Asked {
  readonly formats: Formats
  readonly target: Target
}

/** What is to be known of the data once the request counts. */
function bindings({ wish: { meta, length }, record }: Work) {
  const { announced_size, announced_checksum } = record
  const checksum = meta.checksum === undefined ? announced_checksum : meta.checksum
  return { announced: meta.size ?? announced_size ?? undefined, length, checksum }
}

/**
 * Looks at the data before anything is changed; what is returned makes it the image's, and gives the record
 * that answers the request.
 */
async function planData(
  context: ApiContext,
  reply: FastifyReply,
  work: Work
): Promise<(formats: Formats) => Promise<ImageRecord>> {
  const { request } = reply
  const { registry, signatures } = context
  const { wish, record, formats, target } = work
  const { meta, hasBody, copyFrom } = wish
  const caller = registryCaller(request)
  const { announced, length, checksum } = bindings(work)
  const properties = propertiesAfter(context, request, record, wish)
  const present = () => registry.getRecord(caller, record.id)
  if (meta.location !== undefined) {
    const source = sourceOf(context, meta.location, 'stay')
    demandAction(context, request, 'set_image_location', record)
    demandAttachable(context, formats, properties)
    const size = await sizeAt(context, source, announced, disconnectSignal(reply))
    return async () => {
      await attach(context, caller, record.id, { source, size, checksum })
      return present()
    }
  }
  if (copyFrom !== undefined) {
    const source = sourceOf(context, copyFrom, 'copy')
    demandAction(context, request, 'upload_image', record)
    demandFormats(formats)
    const operation = copyWork(record.id, source, target, { size: announced ?? null, checksum })
    return async () => {
      // still queued: the copy may begin before the answer is out
      const queued = await present()
      await registry.enqueue(caller, operation)
      context.workAsked()
      return queued
    }
  }
  if (!hasBody) return present
  demandAction(context, request, 'upload_image', record)
  demandFormats(formats)
  const signature = signatures.demanded(properties)
  const { id } = record
  const wanted = { id, size: announced ?? length, checksum, signature }
  return async (known) => {
    await takeData(context, request, target, { ...wanted, formats: known })
    return present()
  }
}

/** A body that is no image data is the end of its image (v1 1.10). */
async function demandData(
  context: ApiContext,
  request: FastifyRequest,
  { record, target }: Work
): Promise<void> {
  try {
    demandOctets(request)
  } catch (error) {
    const { storeName } = target
    await kill(context, request, { id: record.id, storeName }, 'the body was no image data')
    throw error
  }
}

/** `PUT /images/:id`: changes an image, or gives a queued one its data (v1 1.9). */
export function updateRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, images } = context
  app.put<{ Params: ImageParams }>(
    '/images/:id',
    { config: { lateContinue: true } },
    async (request, reply) => {
      const { id } = request.params
      const caller = registryCaller(request)
      const wish = readWish(request)
      const record = await registry.getRecord(caller, id)
      demandAction(context, request, 'modify_image', record)
      demandStatus(record, wish)
      demandUnchanged(wish.meta, record)
      const formats = readFormats(wish.meta, record)
      demandSize(wish, config.imageSizeCap)
      const work = { wish, record, formats, target: targetOf(context, wish.meta.store) }
      const take = await planData(context, reply, work)
      if (wish.hasBody) await demandData(context, request, work)
      const changed = await images.update(caller, id, changeOf(context, request, work))
      const shown = shownImage(context, request, await take(parseDocument(changed)))
      if (shown.checksum !== null) reply.header('etag', shown.checksum)
      return reply.type('application/json').send({ image: shown })
    }
  )
}
