import type { FastifyBaseLogger } from 'fastify'
import { noteChange } from '../changes.ts'
import { type Database, run } from '../db/database.ts'
import { lockImage } from '../images/lock.ts'
import { fallBack } from './end.ts'

const BATCH = 100

/** Data that waits for an import that nobody has asked for. */
const EXPIRED = `SELECT i.id FROM placements p JOIN images i ON i.blob_id = p.blob_id
  WHERE p.expires_at < now() AND p.role = 'staged' AND p.state = 'stored'
    AND i.status = 'uploading' AND i.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM operations o
      WHERE o.image_id = i.id AND o.exclusive AND o.state IN ('pending', 'running'))`

const SOME = `${EXPIRED} ORDER BY p.expires_at LIMIT ${BATCH}`
const STILL = `${EXPIRED} AND i.id = $1`

async function expire(database: Database, id: string): Promise<boolean> {
  return database.transaction(async (trx) => {
    const image = await lockImage(trx, id, { skipLocked: true })
    if (image === null) return false
    const [expired] = await run(trx, STILL, [id])
    if (expired === undefined) return false
    await fallBack(trx, image, 'queued')
    await noteChange(trx, id, 'image.stage_expire', null, { status: 'queued' })
    return true
  })
}

/** Lets staged data go that nobody has imported in time; its image is queued again. */
export async function expireStaged(database: Database, log: FastifyBaseLogger): Promise<void> {
  const rows = await database.query(SOME, [])
  for (const [id] of rows) {
    if (await expire(database, String(id))) log.info({ imageId: id }, 'staged data expired')
  }
}
