import {
  type LocationsUpdate,
  type OutsideData,
  type Placement,
  type RegistryCaller,
  TankError
} from '@tank/model'
import { noteChange } from '../changes.ts'
import { type Executor, run } from '../db/database.ts'
import { demandIdle, insertBlob, insertPlacement } from '../operations/begin.ts'
import { SHOW_DATA } from '../operations/finish.ts'
import { SHOW_STORES } from '../operations/targets.ts'
import { type LockedImage, lockVisibleImage } from './lock.ts'

interface Placed {
  readonly id: string
  readonly store: string
  readonly role: string
}

const PLACED = `SELECT id, store, role FROM placements
  WHERE blob_id = $1 AND state = 'stored' AND role IN ('data', 'external')
  ORDER BY id FOR UPDATE`

/** Where the data of an image lies, locked. */
export function storedPlacements(trx: Executor, blobId: string): Promise<Placed[]> {
  return run<Placed>(trx, PLACED, [blobId])
}

const DISCARD = `UPDATE placements SET state = 'garbage', garbage_at = now(), next_at = now()
  WHERE id = ANY($1) AND role <> 'external'`

/** Bytes at an outside location are not ours to delete. */
const FORGET = `DELETE FROM placements WHERE id = ANY($1) AND role = 'external'`

/** Gives stored bytes to the collector, and forgets what lies outside. */
export async function dropPlacements(trx: Executor, ids: readonly string[]): Promise<void> {
  await run(trx, DISCARD, [ids])
  await run(trx, FORGET, [ids])
}

const KNOWN = `UPDATE blobs SET size = $2, md5 = $3, os_hash_algo = $4, os_hash_value = $5,
    completed_at = now()
  WHERE id = $1 AND completed_at IS NULL`

/** The blob whose locations change: for a queued image one that comes with the patch. */
async function blobOf(
  trx: Executor,
  image: LockedImage,
  data: OutsideData | null
): Promise<string> {
  if (data === null) {
    if (image.status === 'active' && image.blob_id !== null) return image.blob_id
    throw new TankError('IMAGE_STATE', `The image is ${image.status}, not active.`)
  }
  if (image.status !== 'queued') {
    throw new TankError('IMAGE_STATE', `The image is ${image.status}, not queued.`)
  }
  await demandIdle(trx, image)
  const { blob_id, size, md5, os_hash_algo, os_hash_value } = data
  await insertBlob(trx, blob_id)
  await run(trx, KNOWN, [blob_id, size, md5, os_hash_algo, os_hash_value])
  return blob_id
}

const STORE = `UPDATE placements SET state = 'stored', metadata = $2, created_at = clock_timestamp()
  WHERE id = $1 AND state = 'writing' AND role = 'external'`

const DESCRIBE = 'UPDATE placements SET metadata = $3 WHERE id = $1 AND blob_id = $2'

async function addPlacement(
  trx: Executor,
  image: LockedImage,
  blobId: string,
  placement: Placement
): Promise<void> {
  if (placement.role !== 'external') {
    throw new TankError('INVALID_REQUEST', 'Only outside locations can be added.')
  }
  await insertPlacement(trx, blobId, placement, image.owner)
  await run(trx, STORE, [placement.id, JSON.stringify(placement.metadata ?? {})])
}

async function removePlacements(
  trx: Executor,
  blobId: string,
  ids: readonly string[]
): Promise<void> {
  if (ids.length === 0) return
  const placed = await storedPlacements(trx, blobId)
  const gone = placed.filter(({ id }) => ids.includes(id)).map(({ id }) => id)
  if (gone.length < new Set(ids).size) {
    throw new TankError('NOT_FOUND', 'The image has no such location.')
  }
  if (gone.length === placed.length) {
    throw new TankError('FORBIDDEN', 'The last location of an image cannot be removed.')
  }
  await dropPlacements(trx, gone)
}

/**
 * Changes where the data of an image lies, in the transaction that has compared its version. The
 * first location of a queued image makes it active (PL9); of data that was there nothing else changes.
 */
export async function updateLocations(
  trx: Executor,
  caller: RegistryCaller,
  id: string,
  { add, remove, describe, data }: LocationsUpdate
): Promise<void> {
  const image = await lockVisibleImage(trx, caller, id)
  if (data !== null && add.length === 0) {
    throw new TankError('INVALID_REQUEST', 'Data has to lie somewhere.')
  }
  const blobId = await blobOf(trx, image, data)
  for (const placement of add) await addPlacement(trx, image, blobId, placement)
  await removePlacements(trx, blobId, remove)
  for (const each of describe) {
    await run(trx, DESCRIBE, [each.id, blobId, JSON.stringify(each.metadata)])
  }
  if (data === null) await run(trx, SHOW_STORES, [image.id])
  else await run(trx, SHOW_DATA, [image.id, 'active', blobId])
  await noteChange(trx, image.id, 'image.locations', caller, {
    added: add.map(({ store }) => store),
    removed: remove.length,
    ...(data === null ? {} : { status: 'active', size: data.size })
  })
}
