import type { ImageStatus, RegistryCaller } from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import { checkImageId, imageNotFound } from './show.ts'
import { visibilityValues, visibleById } from './visibility.ts'

export interface LockedImage {
  readonly id: string
  readonly status: ImageStatus
  readonly owner: string | null
  readonly protected: boolean
  readonly blob_id: string | null
  readonly version: number
  readonly deleted: boolean
}

const COLUMNS = `i.id, i.status, i.owner, i.protected, i.blob_id, i.version,
  i.deleted_at IS NOT NULL AS deleted`

const VISIBLE = `SELECT ${COLUMNS} FROM images i
  WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}
  FOR NO KEY UPDATE OF i`

const ANY = `SELECT ${COLUMNS} FROM images i WHERE i.id = $1 FOR NO KEY UPDATE`

/*
 * The order of locks, everywhere: image, operation, blob, placement, usage.
 */

/** Locks an image that the caller sees until the transaction ends. */
export async function lockVisibleImage(
  trx: Executor,
  caller: RegistryCaller,
  id: string
): Promise<LockedImage> {
  const values = [checkImageId(id), ...visibilityValues(caller)]
  const [image] = await run<LockedImage>(trx, VISIBLE, values)
  if (image === undefined) throw imageNotFound()
  return image
}

/** Locks the image of an operation, deleted or not; null when another transaction has it. */
export async function lockImage(
  trx: Executor,
  id: string,
  options: { readonly skipLocked?: boolean } = {}
): Promise<LockedImage | null> {
  const text = options.skipLocked === true ? `${ANY} SKIP LOCKED` : ANY
  const [image] = await run<LockedImage>(trx, text, [id])
  return image ?? null
}
