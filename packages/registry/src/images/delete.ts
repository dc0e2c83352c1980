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
const BURY = `UPDATE images SET status = 'deleted', deleted_at = now(), updated_at = now(),
    version = version + 1, tags = '{}', properties = '{}', blob_id = NULL
  WHERE id = $1`

const FORGET_MEMBERS = 'DELETE FROM members WHERE image_id = $1'

const SHA256 = 'SELECT sha256 FROM blobs WHERE id = $1'

async function bury(trx: Executor, image: LockedImage): Promise<{ sha256?: string }> {
  await run(trx, BURY, [image.id])
  await run(trx, FORGET_MEMBERS, [image.id])
  if (image.blob_id === null) return {}
  const [blob] = await run<{ sha256: string | null }>(trx, SHA256, [image.blob_id])
  await releaseBlob(trx, image.blob_id)
  return blob?.sha256 ? { sha256: blob.sha256 } : {}
}

/**
 * Turns an image into a tombstone, in any state. What runs on it ends as a failure, what its
 * writers have written and what it held becomes garbage.
 */
export function deleteImage(
  database: Database,
  caller: RegistryCaller,
  id: string,
  version: number | undefined
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, id)
    if (version !== undefined && image.version !== version) throw versionConflict()
    if (image.protected) {
      throw new TankError('IMAGE_PROTECTED', 'The image is protected and cannot be deleted.')
    }
    const operations = await run<RunningOperation>(trx, RUNNING, [image.id])
    const buried = await bury(trx, image)
    for (const operation of operations) {
      await failOperation(trx, { ...image, deleted: true }, operation, {
        reason: 'image deleted',
        change: null,
        actor: caller,
        keepBytes: true
      })
    }
    await charge(trx, image.owner, { images: -1 })
    await noteChange(trx, image.id, 'image.delete', caller, {
      status: 'deleted',
      ...buried,
      ...(operations.length === 0 ? {} : { operations: operations.map((o) => o.id) })
    })
  })
}
