import { type PendingDelete, type RegistryCaller, TankError } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import { noteChange } from '../changes.ts'
import type { Quotas } from '../config.ts'
import { type Database, run } from '../db/database.ts'
import { charge, checkQuotas } from '../usage.ts'
import { bury } from './delete.ts'
import { displayId, exactTime } from './document.ts'
import { lockImage } from './lock.ts'
import { checkImageId, imageNotFound } from './show.ts'

const BATCH = 100
const DUE = `status = 'pending_delete'
  AND deleted_at <= now() - make_interval(secs => $1::float8 / 1000)`
const SOME_DUE = `SELECT id FROM images WHERE ${DUE} ORDER BY deleted_at, id LIMIT ${BATCH}`
const STILL_DUE = `SELECT FROM images WHERE ${DUE} AND id = $2`

function scrub(database: Database, id: string, delayMs: number): Promise<boolean> {
  return database.transaction(async (trx) => {
    const image = await lockImage(trx, id, { skipLocked: true })
    if (image === null) return false
    const [due] = await run(trx, STILL_DUE, [delayMs, id])
    if (due === undefined) return false
    const digest = await bury(trx, image)
    await noteChange(trx, id, 'image.scrub', null, { status: 'deleted', ...digest })
    return true
  })
}

/**
 * Deletes for good what has waited for long enough, by the clock of the database: its bytes are
 * garbage from here on, its usage falls when a store has deleted them. Some of it, the next call goes on.
 * Returns how many images.
 */
export async function scrubImages(
  database: Database,
  delayMs: number,
  log: FastifyBaseLogger
): Promise<number> {
  let scrubbed = 0
  for (const [id] of await database.query(SOME_DUE, [delayMs])) {
    if (!(await scrub(database, String(id), delayMs))) continue
    scrubbed++
    log.info({ imageId: id }, 'image deleted for good')
  }
  return scrubbed
}

const RESTORE = `UPDATE images SET status = coalesce(restore_to, 'active'), restore_to = NULL,
    deleted_at = NULL, updated_at = now(), version = version + 1
  WHERE id = $1 RETURNING status`

/**
 * Takes a deletion back that still waits; for administrators only. Its image counts again, so the
 * quota of its project may refuse it; its bytes have counted all the time.
 */
export function restoreImage(
  database: Database,
  caller: RegistryCaller,
  id: string,
  quotas: Quotas
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = caller.scope === 'all' ? await lockImage(trx, checkImageId(id)) : null
    if (image === null) throw imageNotFound()
    if (image.status !== 'pending_delete') {
      throw new TankError(
        'IMAGE_STATE',
        `The image is ${image.status}: only what is pending_delete can be restored.`
      )
    }
    const [restored] = await run<{ status: string }>(trx, RESTORE, [image.id])
    await charge(trx, image.owner, { images: 1 })
    await noteChange(trx, image.id, 'image.restore', caller, { status: restored?.status })
    if (image.owner !== null) await checkQuotas(trx, image.owner, { images: 1 }, quotas)
  })
}

const LIST = `SELECT ${displayId('i')}, i.name, i.owner, coalesce(i.size, 0),
    ${exactTime('i.deleted_at')},
    ${exactTime('(i.deleted_at + make_interval(secs => $1::float8 / 1000))')}
  FROM images i WHERE i.status = 'pending_delete' ORDER BY i.deleted_at, i.id LIMIT $2`

/** Deletions that wait, those that are due first. */
export async function listPending(
  database: Database,
  delayMs: number,
  limit: number
): Promise<PendingDelete[]> {
  const rows = await database.query(LIST, [delayMs, limit])
  return rows.map(([id, name, owner, size, deleted_at, due_at]) => ({
    id: String(id),
    name: name as string | null,
    owner: owner as string | null,
    size: Number(size),
    deleted_at: String(deleted_at),
    due_at: String(due_at)
  }))
}
