import { Readable } from 'node:stream'
import {
  BASE_ATTRIBUTES,
  type CreateImage,
  type ImageMeta,
  type ImageRecord,
  TankError
} from '@tank/model'
import { disconnectSignal } from '@tank/service'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { linkBase } from '../../http/version-document.ts'
import { registryCaller } from '../../identity/caller.ts'
import { newImage } from '../../images/new-image.ts'
import { takeBack } from '../../images/remove-image.ts'
import type { DataSignature } from '../../ingest/signatures.ts'
import { takeData } from './data.ts'
import { demandFormats, type Formats, readFormats } from './formats.ts'
import { shownImage } from './shown.ts'
import { attach, copyWork, demandAttachable, type Source, sizeAt, sourceOf } from './source.ts'
import { type Target, targetOf } from './target.ts'
import { demandOctets, demandSize, readWish, type Wish } from './wish.ts'

/** Throws FORBIDDEN for a property that has the name of an attribute: v2 shows them side by side. */
export function demandPropertyNames(properties: ImageMeta['properties']): void {
  for (const name of Object.keys(properties)) {
    if (!BASE_ATTRIBUTES.has(name)) continue
    throw new TankError('FORBIDDEN', `The property '${name}' has the name of an attribute.`)
  }
}

/** The record that a request asks for, once everything about it was checked. */
function newRecord(
  context: ApiContext,
  { caller }: FastifyRequest,
  { meta, hasBody, copyFrom }: Wish,
  formats: Formats
): CreateImage {
  const { policy, protections, config } = context
  demandPropertyNames(meta.properties)
  const visibility = meta.is_public === true ? 'public' : 'shared'
  const target = { owner: caller.project, visibility }
  // others get their own one, whatever they say
  const isGiven = meta.owner !== undefined && policy.may(caller, 'set_owner', target)
  const { id, name, min_disk, min_ram, properties } = meta
  const given = { id, name, min_disk, min_ram, protected: meta.protected }
  const body = {
    ...properties,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...formats,
    visibility,
    ...(isGiven ? { owner: meta.owner } : {})
  }
  const image = newImage(body, caller, { limits: config.limits, policy, protections })
  const facts = { owner: image.owner ?? null, visibility }
  if (hasBody || copyFrom !== undefined) policy.demand(caller, 'upload_image', facts)
  if (meta.location !== undefined) policy.demand(caller, 'set_image_location', facts)
  const { size = null, checksum = null } = meta
  return { ...image, announced: { size, checksum } }
}

/** Where the data of a new image comes from; every part was looked at. */
type Plan =
  | {
      readonly kind: 'body' | 'empty'
      readonly target: Target
      readonly signature: DataSignature | undefined
    }
  | { readonly kind: 'location'; readonly source: Source; readonly size: number }
  | { readonly kind: 'copy'; readonly source: Source; readonly target: Target }
  | { readonly kind: 'nothing' }

async function planOf(
  context: ApiContext,
  reply: FastifyReply,
  { meta, hasBody, copyFrom }: Wish,
  formats: Formats
): Promise<Plan> {
  const target = targetOf(context, meta.store)
  if (meta.location !== undefined) {
    const source = sourceOf(context, meta.location, 'stay')
    demandAttachable(context, formats, meta.properties)
    const signal = disconnectSignal(reply)
    return { kind: 'location', source, size: await sizeAt(context, source, meta.size, signal) }
  }
  if (copyFrom !== undefined) {
    const source = sourceOf(context, copyFrom, 'copy')
    demandFormats(formats)
    return { kind: 'copy', source, target }
  }
  if (!hasBody && meta.size !== 0) return { kind: 'nothing' }
  const signature = context.signatures.demanded({ ...meta.properties })
  if (!hasBody) return { kind: 'empty', target, signature }
  demandFormats(formats)
  demandOctets(reply.request)
  return { kind: 'body', target, signature }
}

/** Carries a plan out for an image that was just reserved; gives the record that answers the request. */
async function fill(
  context: ApiContext,
  request: FastifyRequest,
  { id }: CreateImage,
  { wish: { meta, length }, formats, plan }: { wish: Wish; formats: Formats; plan: Plan }
): Promise<ImageRecord> {
  const { registry } = context
  const caller = registryCaller(request)
  const present = () => registry.getRecord(caller, id)
  const { checksum = null } = meta
  switch (plan.kind) {
    case 'body': {
      const wanted = { id, formats, size: meta.size ?? length, checksum }
      await takeData(context, request, plan.target, { ...wanted, signature: plan.signature })
      return present()
    }
    case 'empty': {
      const wanted = { id, formats, size: 0, checksum, signature: plan.signature }
      await takeData(context, request, plan.target, wanted, Readable.from([]))
      return present()
    }
    case 'location':
      await attach(context, caller, id, { source: plan.source, size: plan.size, checksum })
      return present()
    case 'copy': {
      const announced = { size: meta.size ?? null, checksum }
      // still queued: the copy may begin before the answer is out
      const queued = await present()
      await registry.enqueue(caller, copyWork(id, plan.source, plan.target, announced))
      context.workAsked()
      return queued
    }
    case 'nothing':
      return present()
  }
}

/** `POST /images`: four ways to make an image (v1 1.8). */
export function createRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry, config } = context
  app.post('/images', { config: { lateContinue: true } }, async (request, reply) => {
    const wish = readWish(request)
    const formats = readFormats(wish.meta)
    demandSize(wish, config.imageSizeCap)
    const image = newRecord(context, request, wish, formats)
    const plan = await planOf(context, reply, wish, formats)
    const caller = registryCaller(request)
    await registry.createImage(caller, image)
    let record: ImageRecord
    try {
      record = await fill(context, request, image, { wish, formats, plan })
    } catch (error) {
      // what was sent for it made it killed; of the other ways nobody learns its id
      if (plan.kind === 'location' || plan.kind === 'copy') {
        await takeBack(context, request, image.id)
      }
      throw error
    }
    const shown = shownImage(context, request, record)
    const base = linkBase(request, context.publicEndpoint)
    reply.code(201).header('location', `${base}/v1/images/${image.id}`)
    if (shown.checksum !== null) reply.header('etag', shown.checksum)
    return reply.type('application/json').send({ image: shown })
  })

  // what `curl -T FILE` sends; its user reads what is missing
  app.put('/images', { config: { lateContinue: true, catchAll: true } }, async () => {
    throw new TankError(
      'METHOD_NOT_ALLOWED',
      'New images are sent by POST; with curl: -X POST -T FILE ' +
        "-H 'Content-Type: application/octet-stream' -H 'x-image-meta-name: NAME' " +
        "-H 'x-image-meta-disk-format: FORMAT' -H 'x-image-meta-container-format: bare'",
      { headers: { allow: 'GET, POST' } }
    )
  })
}
