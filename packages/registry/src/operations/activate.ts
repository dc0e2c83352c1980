import { type ActivateLocation, type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import { type Database, run } from '../db/database.ts'
import { SHOW_DATA } from './finish.ts'
import { holdOperation } from './run-target.ts'

const KNOWN = `UPDATE blobs SET size = $2, os_hash_algo = $3, os_hash_value = $4,
    completed_at = now()
  WHERE id = $1 AND completed_at IS NULL`

const STORE = `UPDATE placements SET state = 'stored'
  WHERE id = $1 AND state = 'writing' AND role = 'external'`

/** What fails from here on leaves the image as it is. */
const KEEP = `UPDATE operations SET to_status = NULL, fallback = 'active', updated_at = now()
  WHERE id = $1`

/**
 * Makes an image usable whose data lies outside, before its digests are known (LA7) or without any
 * that we made (LA8). The operation goes on.
 */
export function activateLocation(
  database: Database,
  caller: RegistryCaller,
  id: string,
  { attempt, size, os_hash_algo, os_hash_value }: ActivateLocation
): Promise<void> {
  return database.transaction(async (trx) => {
    const { image, operation } = await holdOperation(trx, id, attempt)
    if (operation.kind !== 'location') {
      throw new TankError('INVALID_REQUEST', 'The operation has no location.')
    }
    if (operation.to_status === null) return
    await run(trx, KNOWN, [operation.blob_id, size, os_hash_algo, os_hash_value])
    await run(trx, STORE, [operation.placement_id])
    await run(trx, SHOW_DATA, [image.id, 'active', operation.blob_id])
    await run(trx, KEEP, [operation.id])
    await noteChange(trx, image.id, 'operation.activate', caller, {
      operation: operation.id,
      kind: operation.kind,
      size,
      status: 'active'
    })
  })
}
