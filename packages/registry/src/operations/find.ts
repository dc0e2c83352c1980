import { isUuid } from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import { type LockedImage, lockImage } from '../images/lock.ts'
import { OPERATION_COLUMNS, type RunningOperation } from './end.ts'

export interface LockedOperation {
  readonly image: LockedImage
  readonly operation: RunningOperation
}

const IMAGE_OF = 'SELECT image_id FROM operations WHERE id = $1'
const LOCK = `SELECT ${OPERATION_COLUMNS} FROM operations WHERE id = $1 FOR UPDATE`

/** Locks an operation and, before it, its image; null when there is none, or it is being changed. */
export async function lockOperation(
  trx: Executor,
  id: string,
  options: { readonly skipLocked?: boolean } = {}
): Promise<LockedOperation | null> {
  if (!isUuid(id)) return null
  const [found] = await run<{ image_id: string }>(trx, IMAGE_OF, [id])
  if (found === undefined) return null
  const image = await lockImage(trx, found.image_id, options)
  if (image === null) return null
  const text = options.skipLocked === true ? `${LOCK} SKIP LOCKED` : LOCK
  const [operation] = await run<RunningOperation>(trx, text, [id])
  return operation === undefined ? null : { image, operation }
}
