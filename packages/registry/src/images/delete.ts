import { type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { releaseBlob } from '../garbage.ts'
import { failOperation, OPERATION_COLUMNS, type RunningOperation } from '../operations/end.ts'
import { charge } from '../usage.ts'
import { type LockedImage, lockVisibleImage } from './lock.ts'
import { versionConflict } from './update.ts'

const RUNNING = `SELECT ${OPERATION_COLUMNS} FROM operations
  WHERE image_id = $1 AND state IN ('pending', 'running') ORDER BY id FOR UPDATE`

/** What people gave goes at once; the row stays, for its id is taken for ever. */
const BURY = `UPDATE images SET status = 'deleted', deleted_at = coalesce(deleted_at, now()),
    updated_at = now(), version = version + 1, tags = '{}', properties = '{}', blob_id = NULL,
    restore_to = NULL
  WHERE id = $1`

const FORGET_MEMBERS = 'DELETE FROM members WHERE image_id = $1'

/** Nobody finds it any more, but it has all that it had. */
const POSTPONE = `UPDATE images SET status = 'pending_delete', restore_to = status,
    deleted_at = now(), updated_at = now(), version = version + 1
  WHERE id = $1`

const SHA256 = 'SELECT sha256 FROM blobs WHERE id = $1'

async function digestOf(trx: Executor, image: LockedImage): Promise<{ sha256?: string }> {
  if (image.blob_id === null) return {}
  const [blob] = await run<{ sha256: string | null }>(trx, SHA256, [image.blob_id])
  return blob?.sha256 ? { sha256: blob.sha256 } : {}
}

/** Makes a tombstone of an image; returns what its change row says of the data that it had. */
export async function bury(trx: Executor, image: LockedImage): Promise<{ sha256?: string }> {
  await run(trx, BURY, [image.id])
  await run(trx, FORGET_MEMBERS, [image.id])
  const digest = await digestOf(trx, image)
  if (image.blob_id !== null) await releaseBlob(trx, image.blob_id)
  return digest
}

async function failAll(
  trx: Executor,
  caller: RegistryCaller,
  image: LockedImage,
  operations: readonly RunningOperation[]
): Promise<void> {
  for (const operation of operations) {
    await failOperation(trx, image, operation, {
      reason: 'image deleted',
      change: null,
      actor: caller,
      keepBytes: true
    })
  }
}

export interface DeleteOptions {
  /** The version that the image has to have; undefined: any. */
  readonly version: number | undefined
  /** How long an image with data waits as `pending_delete`; 0: it does not. */
  readonly delayMs: number
}

/**
 * Turns an image into a tombstone, in any state, or lets one that has data wait for that. What runs
 * on it ends as a failure; what its writers have written, and what it held unless it waits, becomes
 * garbage.
 */
export function deleteImage(
  database: Database,
  caller: RegistryCaller,
  id: string,
  { version, delayMs }: DeleteOptions
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, id)
    if (version !== undefined && image.version !== version) throw versionConflict()
    if (image.protected) {
      throw new TankError('IMAGE_PROTECTED', 'The image is protected and cannot be deleted.')
    }
    const operations = await run<RunningOperation>(trx, RUNNING, [image.id])
    const isUsable = image.status === 'active' || image.status === 'deactivated'
    const waits = delayMs > 0 && isUsable && image.blob_id !== null
    let digest: { sha256?: string }
    if (waits) {
      // before the image is gone: it keeps no mark of what ran on it
      await failAll(trx, caller, image, operations)
      await run(trx, POSTPONE, [image.id])
      digest = await digestOf(trx, image)
    } else {
      digest = await bury(trx, image)
      await failAll(trx, caller, { ...image, deleted: true }, operations)
    }
    await charge(trx, image.owner, { images: -1 })
    await noteChange(trx, image.id, 'image.delete', caller, {
      status: waits ? 'pending_delete' : 'deleted',
      ...digest,
      ...(operations.length === 0 ? {} : { operations: operations.map((o) => o.id) })
    })
  })
}
