import type { FastifyBaseLogger } from 'fastify'
import { noteChange } from '../changes.ts'
import { type Database, run } from '../db/database.ts'
import { charge } from '../usage.ts'
import { bury } from './delete.ts'
import { lockImage } from './lock.ts'

const BATCH = 100

/** Without data, and nothing is under way that would bring any. */
const UNFINISHED = `SELECT i.id FROM images i
  WHERE i.status IN ('queued', 'killed') AND i.deleted_at IS NULL AND NOT i.protected
    AND i.updated_at < now() - make_interval(secs => $1::float8 / 1000)
    AND NOT EXISTS (SELECT FROM operations o
      WHERE o.image_id = i.id AND o.state IN ('pending', 'running'))`

const SOME = `${UNFINISHED} ORDER BY i.updated_at, i.id LIMIT ${BATCH}`
const STILL = `${UNFINISHED} AND i.id = $2`

function expire(database: Database, id: string, keptMs: number): Promise<boolean> {
  return database.transaction(async (trx) => {
    const image = await lockImage(trx, id, { skipLocked: true })
    if (image === null) return false
    const [unfinished] = await run(trx, STILL, [keptMs, id])
    if (unfinished === undefined) return false
    await bury(trx, image)
    await charge(trx, image.owner, { images: -1 })
    await noteChange(trx, id, 'image.expire', null, { status: 'deleted' })
    return true
  })
}

/**
 * Deletes images that have waited for data for too long, by the clock of the database, so that records
 * of nothing do not pile up (S-36): some of them, the next call goes on. Their ids stay taken. 0: they may
 * wait for ever.
 */
export async function expireUnfinished(
  database: Database,
  keptMs: number,
  log: FastifyBaseLogger
): Promise<void> {
  if (keptMs === 0) return
  const rows = await database.query(SOME, [keptMs])
  for (const [id] of rows) {
    if (!(await expire(database, String(id), keptMs))) continue
    log.info({ imageId: id }, 'image without data deleted')
  }
}
