import { TankError, type Usage } from '@tank/model'
import type { Quotas } from './config.ts'
import { type Database, type Executor, run } from './db/database.ts'

/** What one transaction adds to the usage of a project; negative numbers give back. */
export interface Charge {
  readonly images?: number
  readonly stored?: number
  readonly reserved?: number
  readonly uploads?: number
}

/** Connections write to slots of their own, so that commits of one project run side by side. */
export const OWN_SLOT = '1 + (pg_backend_pid() & 31)'

const ADD = `INSERT INTO usage AS u (project, slot, images, stored_bytes, reserved_bytes, uploads)
  VALUES ($1, ${OWN_SLOT}, $2, $3, $4, $5)
  ON CONFLICT (project, slot) DO UPDATE SET images = u.images + excluded.images,
    stored_bytes = u.stored_bytes + excluded.stored_bytes,
    reserved_bytes = u.reserved_bytes + excluded.reserved_bytes,
    uploads = u.uploads + excluded.uploads`

/** Slot 0 holds nothing: its row is the lock of the project. */
const LOCK = `INSERT INTO usage (project, slot) VALUES ($1, 0)
  ON CONFLICT (project, slot) DO UPDATE SET slot = 0`

/**
 * Staged data until it is the image's, and what is moved besides: an import of staged data counts by
 * what was staged, however many stores it goes to.
 */
const STAGED = `(SELECT coalesce(sum(p.bytes), 0) FROM placements p
    WHERE p.project = $1 AND p.role = 'staged' AND p.state = 'stored')
  + (SELECT coalesce(sum(o.reserved), 0) FROM operations o
    WHERE o.project = $1 AND o.state IN ('pending', 'running')
      AND (o.kind IN ('stage', 'copy') OR (o.kind = 'import' AND NOT o.reserve_known)))`

const SUM = `SELECT coalesce(sum(images), 0)::bigint AS images,
    coalesce(sum(stored_bytes), 0)::bigint AS stored_bytes,
    coalesce(sum(reserved_bytes), 0)::bigint AS reserved_bytes,
    coalesce(sum(uploads), 0)::bigint AS uploads, (${STAGED})::bigint AS staged_bytes
  FROM usage WHERE project = $1`

type Sums = Omit<Usage, 'project' | 'limits'>

function over(quota: string, limit: number, total: number, delta: number): TankError {
  return new TankError(
    'QUOTA_EXCEEDED',
    `${quota} is over limit of ${limit} due to current usage ${total - delta} and delta ${delta}`
  )
}

/** What is asked for; whose limits are checked. */
interface Delta {
  readonly images?: number
  readonly bytes?: number
  readonly staged?: number | undefined
  readonly uploads?: number
}

/**
 * Refuses when a project is over its limits with what the running transaction has added. Callers
 * queue for the lock of the project and hold it until they commit, so each sees all before it.
 */
export async function checkQuotas(
  trx: Executor,
  project: string,
  delta: Delta,
  quotas: Quotas
): Promise<void> {
  const { images = 0, bytes, staged, uploads = 0 } = delta
  const limits = {
    images: images > 0 ? quotas.images : null,
    bytes: bytes === undefined ? null : quotas.bytes,
    staged: staged === undefined ? null : quotas.staged,
    uploads: uploads > 0 ? quotas.uploads : null
  }
  if (Object.values(limits).every((limit) => limit === null)) return
  await run(trx, LOCK, [project])
  const [sums] = await run<Sums>(trx, SUM, [project])
  if (sums === undefined) return
  const total = sums.stored_bytes + sums.reserved_bytes
  if (limits.images !== null && sums.images > limits.images) {
    throw over('image_count_total', limits.images, sums.images, images)
  }
  if (limits.uploads !== null && sums.uploads > limits.uploads) {
    throw over('image_count_uploading', limits.uploads, sums.uploads, uploads)
  }
  if (limits.staged !== null && sums.staged_bytes > limits.staged) {
    throw over('image_stage_total', limits.staged, sums.staged_bytes, staged ?? 0)
  }
  if (limits.bytes !== null && total > limits.bytes) {
    throw over('image_size_total', limits.bytes, total, bytes ?? 0)
  }
}

/** Adds to the usage of a project; images without an owner are nobody's. */
export async function charge(
  trx: Executor,
  project: string | null,
  { images = 0, stored = 0, reserved = 0, uploads = 0 }: Charge
): Promise<void> {
  if (project === null) return
  if (images === 0 && stored === 0 && reserved === 0 && uploads === 0) return
  await run(trx, ADD, [project, images, stored, reserved, uploads])
}

export async function getUsage(
  database: Database,
  project: string,
  limits: Quotas
): Promise<Usage> {
  const [row = []] = await database.query(SUM, [project], true)
  const [images, stored_bytes, reserved_bytes, uploads, staged_bytes] = row as number[]
  return {
    project,
    images: images ?? 0,
    stored_bytes: stored_bytes ?? 0,
    reserved_bytes: reserved_bytes ?? 0,
    uploads: uploads ?? 0,
    staged_bytes: staged_bytes ?? 0,
    limits
  }
}
