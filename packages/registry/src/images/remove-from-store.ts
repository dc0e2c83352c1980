import { type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import { type Database, run } from '../db/database.ts'
import { SHOW_STORES } from '../operations/targets.ts'
import { dropPlacements, storedPlacements } from './locations.ts'
import { lockVisibleImage } from './lock.ts'

/**
 * Takes the data of an active image out of one store, never out of the last one (SD1–SD6). Of
 * requests at the same time each sees what the one before has left.
 */
export function removeFromStore(
  database: Database,
  caller: RegistryCaller,
  id: string,
  store: string
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, id)
    if (image.status !== 'active' || image.blob_id === null) {
      throw new TankError('IMAGE_STATE', `The image is ${image.status}, not active.`)
    }
    const placed = await storedPlacements(trx, image.blob_id)
    const others = placed.filter((placement) => placement.store !== store)
    if (placed.length < 2 || others.length === 0) {
      throw new TankError(
        'FORBIDDEN',
        'The image is in one store only and cannot be removed from it.'
      )
    }
    if (others.length === placed.length) {
      throw new TankError('NOT_FOUND', 'The image is not in this store.')
    }
    const ids = placed.filter((each) => each.store === store).map((each) => each.id)
    await dropPlacements(trx, ids)
    await run(trx, SHOW_STORES, [image.id])
    await noteChange(trx, image.id, 'image.store_remove', caller, { store })
  })
}
