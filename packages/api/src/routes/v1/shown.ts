import { type ImageRecord, type ImageV1, toImageV1 } from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'

/** A record as the Image API v1 shows it to who is asking: properties that the caller may not read are left out. */
export function shownImage(
  { protections }: ApiContext,
  { caller }: FastifyRequest,
  record: ImageRecord
): ImageV1 {
  // what the service notes itself is no property: clients send back what they have read
  return toImageV1(
    record,
    (name) => !name.startsWith('os_glance') && protections.may(caller, 'read', name)
  )
}
