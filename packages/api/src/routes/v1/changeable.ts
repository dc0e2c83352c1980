import { type ImageMeta, type ImageRecord, TankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import type { Action } from '../../policy/actions.ts'

/**
 * Throws FORBIDDEN unless the caller may do it; where the image is nobody's business but its owner's
 * and members', IMAGE_NOT_FOUND (v1 1.2).
 */
export function demandAction(
  { policy }: ApiContext,
  { caller }: FastifyRequest,
  action: Action,
  record: ImageRecord
): void {
  const { owner, visibility } = record
  const isOpen = visibility === 'public' || visibility === 'community'
  const isOwn = owner !== null && owner === caller.project
  if (!policy.may(caller, action, record) && !isOpen && !isOwn && !caller.readOnly) {
    throw new TankError('IMAGE_NOT_FOUND', 'No image with this id was found.')
  }
  policy.demand(caller, action, record)
}

function forbidden(message: string): never {
  throw new TankError('FORBIDDEN', message)
}

/** Refuses what nobody may change: what the service decides, and what data is once it is there. */
export function demandUnchanged(meta: ImageMeta, record: ImageRecord): void {
  if (meta.id !== undefined && meta.id.toLowerCase() !== record.id.toLowerCase()) {
    forbidden('The id of an image never changes.')
  }
  if (meta.status !== undefined && meta.status !== record.status) {
    forbidden('Only the service sets the status of an image.')
  }
  if (record.status === 'queued') return
  const { size, checksum } = meta
  if (size !== undefined && size !== (record.size ?? record.announced_size ?? 0)) {
    forbidden('The size of an image that has or had data never changes.')
  }
  if (checksum !== undefined && checksum !== (record.checksum ?? record.announced_checksum)) {
    forbidden('The checksum of an image that has or had data never changes.')
  }
}
