import { type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import { type Database, run } from '../db/database.ts'
import { lockVisibleImage } from './lock.ts'

const SET = 'UPDATE images SET status = $2, version = version + 1, updated_at = now() WHERE id = $1'

/** Switches an image between `active` and `deactivated`; no change when it is there already. */
export function setActive(
  database: Database,
  caller: RegistryCaller,
  id: string,
  active: boolean
): Promise<void> {
  const [from, to] = active ? ['deactivated', 'active'] : ['active', 'deactivated']
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, id)
    if (image.status === to) return
    if (image.status !== from) {
      throw new TankError(
        'IMAGE_STATE',
        `The image is ${image.status}: only ${from} images can become ${to}.`
      )
    }
    await run(trx, SET, [image.id, to])
    const type = active ? 'image.reactivate' : 'image.deactivate'
    await noteChange(trx, image.id, type, caller, { status: to })
  })
}
