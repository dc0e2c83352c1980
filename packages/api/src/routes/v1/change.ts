import {
  customProperties,
  IMAGE_HEADER_PREFIX,
  type ImageDocument,
  type ImageRecord,
  imageHeaders,
  isHeaderProperty,
  PROPERTY_PREFIX,
  TankError,
  type UpdateImage
} from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { applyPatch } from '../../images/apply-patch.ts'
import { isReserved } from '../../images/attributes.ts'
import type { PatchOperation } from '../../images/json-patch.ts'
import { demandPropertyNames } from './create.ts'
import { readFormats } from './formats.ts'
import { shownImage } from './shown.ts'
import type { Wish } from './wish.ts'

const dialect = 'v2.1'

/**
 * The properties that an image has with what a request asks for. A purge takes those that are not sent:
 * what a client of v1 cannot have seen stays.
 */
export function propertiesAfter(
  context: ApiContext,
  request: FastifyRequest,
  record: ImageRecord,
  { meta, purges }: Wish
): Record<string, string> {
  if (!purges) return { ...record.properties, ...meta.properties }
  const shown = shownImage(context, request, record)
  const headers = imageHeaders(shown)
  const isSeen = (name: string, value: string): boolean => {
    if (!Object.hasOwn(shown.properties, name)) return false
    // an empty one is seen by having no header
    if (value === '') return isHeaderProperty(name, value)
    return Object.hasOwn(headers, `${IMAGE_HEADER_PREFIX}${PROPERTY_PREFIX}${name}`)
  }
  const kept = Object.entries(record.properties).filter(
    ([name, value]) => isReserved(name) || !isSeen(name, value)
  )
  return { ...Object.fromEntries(kept), ...meta.properties }
}

/** What a request asks for, and the image as it was then. */
export interface Asked {
  readonly wish: Wish
  readonly record: ImageRecord
}

/** What a request changes, as the operations of a patch: so the rules of v2 hold for it. */
function operationsOf(
  context: ApiContext,
  request: FastifyRequest,
  { record, wish }: Asked,
  image: ImageDocument
): PatchOperation[] {
  const { policy } = context
  const { meta } = wish
  const before = customProperties(image)
  const after = propertiesAfter(context, request, { ...record, properties: before }, wish)
  const operations: PatchOperation[] = Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => ({ op: 'remove', name, dialect }))
  for (const [name, value] of Object.entries(meta.properties)) {
    if (isReserved(name)) throw new TankError('FORBIDDEN', `The property '${name}' is reserved.`)
    // writing what is there needs no right
    if (before[name] !== value) operations.push({ op: 'add', name, value, dialect })
  }
  const set = (name: keyof ImageDocument & string, value: unknown): void => {
    if (value === undefined || image[name] === value) return
    operations.push({ op: 'replace', name, value, dialect })
  }
  // of the image as it is now: what is not sent stays, also when it was found out in the meantime
  const { disk_format, container_format } = readFormats(meta, image)
  set('disk_format', disk_format)
  set('container_format', container_format)
  set('name', meta.name)
  set('min_disk', meta.min_disk)
  set('min_ram', meta.min_ram)
  set('protected', meta.protected)
  // what others say of an owner counts for nothing
  if (policy.may(request.caller, 'set_owner', image)) set('owner', meta.owner)
  if (meta.is_public === true) set('visibility', 'public')
  else if (meta.is_public === false && image.visibility === 'public') set('visibility', 'shared')
  return operations
}

/** The change of an image that a request asks for (v1 1.9). Throws as `applyPatch` does. */
export function changeOf(
  context: ApiContext,
  request: FastifyRequest,
  asked: Asked
): (image: ImageDocument) => UpdateImage | undefined {
  const { policy, protections, config } = context
  const rules = { limits: config.limits, policy, protections }
  const { size, checksum, properties } = asked.wish.meta
  demandPropertyNames(properties)
  return (image) => {
    policy.demand(request.caller, 'modify_image', image)
    const operations = operationsOf(context, request, asked, image)
    const patched = applyPatch(image, operations, request.caller, rules) ?? {}
    const announced = {
      ...(size === undefined ? {} : { size }),
      ...(checksum === undefined ? {} : { checksum })
    }
    const change: UpdateImage = {
      ...patched,
      ...(image.status !== 'queued' || Object.keys(announced).length === 0 ? {} : { announced })
    }
    return Object.keys(change).length === 0 ? undefined : change
  }
}
