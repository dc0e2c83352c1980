import type { ClaimOperation, Job, Placement } from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Settings } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { blobDocument, displayId, placementDocument } from '../images/document.ts'
import { lockImage } from '../images/lock.ts'
import { OPERATION_COLUMNS, type RunningOperation } from './end.ts'
import { leaseOf } from './lease.ts'
import { markImage } from './marks.ts'

const HELD = `SELECT FROM placements p WHERE p.blob_id = o.blob_id AND p.state = 'stored'`

/** A copy needs its source as well as its targets, an import of staged data what was staged. */
const NEXT = `SELECT ${OPERATION_COLUMNS} FROM operations o
  WHERE o.state = 'pending' AND o.background AND o.not_before <= now()
    AND o.kind = ANY($1) AND o.stores <@ $2::text[]
    AND (o.kind = 'location' OR EXISTS (${HELD} AND p.store = ANY($2))
      OR (o.kind = 'import' AND NOT EXISTS (${HELD})))
  ORDER BY o.not_before, o.created_at LIMIT 1 FOR UPDATE SKIP LOCKED`

const TAKE = `UPDATE operations SET state = 'running', attempt = $2, worker = $3,
    lease_until = now() + make_interval(secs => $4::float8 / 1000), tries = tries + 1,
    progress = 0, progress_at = now(), error = NULL, updated_at = now()
  WHERE id = $1`

const SET_STATUS = `UPDATE images SET status = $2, version = version + 1, updated_at = now()
  WHERE id = $1 AND status <> $2`

/** What an import needs not fetch: staged data, or what an earlier try has written. */
const SOURCE = `SELECT jsonb_build_object('blob', ${blobDocument('b')}, 'placements', (
    SELECT coalesce(jsonb_agg(${placementDocument('p')} ORDER BY p.created_at, p.id), '[]')
    FROM placements p WHERE p.blob_id = b.id
      AND ((p.operation_id = o.id AND p.state = 'ready') OR p.state = 'stored')))
  FROM blobs b WHERE o.kind = 'import' AND b.id = o.blob_id AND b.completed_at IS NOT NULL`

const JOB = `SELECT o.id, o.kind, o.tries, o.must_succeed, o.targets, o.input,
    coalesce((SELECT ${displayId('i')} FROM images i WHERE i.id = o.image_id),
      o.image_id::text) AS image_id,
    (SELECT ${placementDocument('p')} FROM placements p WHERE p.id = o.placement_id) AS placement,
    (${SOURCE}) AS source,
    o.caller_project AS project, o.caller_user AS user, o.request_id
  FROM operations o WHERE o.background AND o.state = 'running' AND o.attempt = $1`

type JobRow = Omit<Job, 'lease_ms' | 'heartbeat_ms' | 'placement'> & {
  readonly placement: Placement | null
}

async function findJob(trx: Executor, attempt: string): Promise<JobRow | undefined> {
  const [job] = await run<JobRow>(trx, JOB, [attempt])
  return job
}

const RENEW = `UPDATE operations SET lease_until = now() + make_interval(secs => $2::float8 / 1000)
  WHERE background AND state = 'running' AND attempt = $1`

type Turn = { readonly job: JobRow | null; readonly isBlocked: boolean }

/**
 * One try. Everywhere else the image is locked before its operation; here it is the other way
 * round, which is safe because neither lock is ever waited for.
 */
function claimOnce(database: Database, claim: ClaimOperation, leaseMs: number): Promise<Turn> {
  return database.transaction(async (trx) => {
    const known = await findJob(trx, claim.attempt)
    if (known !== undefined) {
      await run(trx, RENEW, [claim.attempt, leaseMs])
      return { job: known, isBlocked: false }
    }
    const [operation] = await run<RunningOperation>(trx, NEXT, [claim.kinds, claim.stores])
    if (operation === undefined) return { job: null, isBlocked: false }
    const image = await lockImage(trx, operation.image_id, { skipLocked: true })
    if (image === null) return { job: null, isBlocked: true }
    await run(trx, TAKE, [operation.id, claim.attempt, claim.worker, leaseMs])
    if (operation.to_status !== null) await run(trx, SET_STATUS, [image.id, operation.to_status])
    await markImage(trx, operation, 'running', operation.targets)
    await noteChange(trx, image.id, 'operation.claim', null, {
      operation: operation.id,
      kind: operation.kind,
      worker: claim.worker
    })
    return { job: (await findJob(trx, claim.attempt)) ?? null, isBlocked: false }
  })
}

const TURNS = 5
const PAUSE_MS = 10

/** Hands the longest waiting work to a worker that has the stores for it; null when there is none. */
export async function claimOperation(
  database: Database,
  claim: ClaimOperation,
  settings: Settings
): Promise<Job | null> {
  for (let turn = 1; ; turn++) {
    const { job, isBlocked } = await claimOnce(database, claim, settings.leaseMs)
    if (job !== null) return { ...job, ...leaseOf(settings) }
    if (!isBlocked || turn === TURNS) return null
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * turn))
  }
}
