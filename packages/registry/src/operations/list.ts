import { isUuid, type OperationDocument, TankError } from '@tank/model'
import type { Database } from '../db/database.ts'
import { displayId, shownTime } from '../images/document.ts'

const DOCUMENT = `jsonb_build_object('id', o.id, 'kind', o.kind,
  'image_id', coalesce((SELECT ${displayId('i')} FROM images i WHERE i.id = o.image_id),
    o.image_id::text),
  'state', o.state, 'worker', o.worker, 'lease_until', ${shownTime('o.lease_until')},
  'progress', o.progress, 'error', o.error, 'request_id', o.request_id,
  'created_at', ${shownTime('o.created_at')}, 'updated_at', ${shownTime('o.updated_at')})`

const ONE = `SELECT ${DOCUMENT} FROM operations o WHERE o.id = $1`

const PAGE = `SELECT ${DOCUMENT} FROM operations o
  WHERE ($1::uuid IS NULL OR o.image_id = $1) AND ($2::text IS NULL OR o.state = $2)
  ORDER BY o.created_at DESC, o.id DESC LIMIT $3`

export async function showOperation(database: Database, id: string): Promise<OperationDocument> {
  const [row] = isUuid(id) ? await database.query(ONE, [id]) : []
  if (row === undefined) {
    throw new TankError('OPERATION_NOT_FOUND', 'No operation with this id was found.')
  }
  return row[0] as OperationDocument
}

/** The latest operations, the newest first. */
export async function listOperations(
  database: Database,
  filter: { readonly imageId?: string | undefined; readonly state?: string | undefined },
  limit: number
): Promise<OperationDocument[]> {
  const values = [filter.imageId ?? null, filter.state ?? null, limit]
  const rows = await database.query(PAGE, values)
  return rows.map(([document]) => document as OperationDocument)
}
