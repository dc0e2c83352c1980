import { type Change, type RegistryCaller, TankError } from '@tank/model'
import { type Database, type Executor, run } from './db/database.ts'
import { displayId, exactTime } from './images/document.ts'

export type ChangeType =
  | 'image.create'
  | 'image.update'
  | 'image.delete'
  | 'image.scrub'
  | 'image.restore'
  | 'image.expire'
  | 'image.deactivate'
  | 'image.reactivate'
  | 'member.add'
  | 'member.update'
  | 'member.remove'
  | 'member.replace'
  | 'image.store_remove'
  | 'image.locations'
  | 'image.stage_expire'
  | 'operation.enqueue'
  | 'operation.claim'
  | 'operation.requeue'
  | 'operation.activate'
  | 'operation.begin'
  | 'operation.finish'
  | 'operation.abandon'
  | 'operation.expire'
  | 'operation.release'

/** Who makes a change: the caller of the registry, or nobody when a lease ran out. */
export type Actor = Pick<RegistryCaller, 'project' | 'user' | 'requestId'>

const INSERT = `INSERT INTO changes (image_id, type, actor, project, request_id, detail)
  VALUES ($1, $2, $3, $4, $5, $6)`

/** Notes a change of an image in the transaction that makes it. */
export async function noteChange(
  trx: Executor,
  imageId: string,
  type: ChangeType,
  actor: Actor | null,
  detail: Readonly<Record<string, unknown>> = {}
): Promise<void> {
  const { user = null, project = null, requestId = null } = actor ?? {}
  await run(trx, INSERT, [imageId, type, user, project, requestId, JSON.stringify(detail)])
}

const START = '0:0'
const CURSOR = /^(\d{1,20}):(\d{1,19})$/

/**
 * Rows of transactions that were still running are left for later, with everything after them: a
 * reader that resumes at its cursor misses no late commit.
 */
const PAGE = `SELECT jsonb_build_object('cursor', c.xid::text || ':' || c.id,
    'image_id', coalesce((SELECT ${displayId('i')} FROM images i WHERE i.id = c.image_id),
      c.image_id::text),
    'type', c.type, 'actor', c.actor, 'project', c.project, 'request_id', c.request_id,
    'at', ${exactTime('c.at')}, 'detail', c.detail) AS change
  FROM changes c
  WHERE c.xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (c.xid, c.id) > ($1::xid8, $2::bigint)
  ORDER BY c.xid, c.id LIMIT $3`

export async function listChanges(
  database: Database,
  after: string | undefined,
  limit: number
): Promise<{ changes: Change[]; next: string }> {
  const cursor = after ?? START
  const [, xid, id] = CURSOR.exec(cursor) ?? []
  if (xid === undefined || id === undefined || BigInt(xid) >= 2n ** 64n) {
    throw new TankError('INVALID_QUERY', 'after is no cursor of this registry.')
  }
  const rows = await database.query(PAGE, [xid, id, limit])
  const changes = rows.map(([change]) => change as Change)
  return { changes, next: changes.at(-1)?.cursor ?? cursor }
}
