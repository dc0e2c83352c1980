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

const SUM = `SELECT coalesce(sum(images), 0)::bigint AS images,
    coalesce(sum(stored_bytes), 0)::bigint AS stored_bytes,
    coalesce(sum(reserved_bytes), 0)::bigint AS reserved_bytes,
    coalesce(sum(uploads), 0)::bigint AS uploads
  FROM usage WHERE project = $1`

type Sums = Omit<Usage, 'project' | 'limits'>

function over(quota: string, limit: number, total: number, delta: number): TankError {
  return new TankError(
    'QUOTA_EXCEEDED',
    `${quota} is over limit of ${limit} due to current usage ${total - delta} and delta ${delta}`
  )
}

/**
 * Refuses when a project is over its limits with what the running transaction has added. Callers
 * queue for the lock of the project and hold it until they commit, so each sees all before it.
 */
export async function checkQuotas(
  trx: Executor,
  project: string,
  delta: { readonly images?: number; readonly bytes?: number; readonly uploads?: number },
  quotas: Quotas
): Promise<void> {
  const { images = 0, bytes, uploads = 0 } = delta
  const limits = {
    images: images > 0 ? quotas.images : null,
    bytes: bytes === undefined ? null : quotas.bytes,
    uploads: uploads > 0 ? quotas.uploads : null
  }
  if (limits.images === null && limits.bytes === null && limits.uploads === null) return
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
  const [images, stored_bytes, reserved_bytes, uploads] = row as number[]
  return {
    project,
    images: images ?? 0,
    stored_bytes: stored_bytes ?? 0,
    reserved_bytes: reserved_bytes ?? 0,
    uploads: uploads ?? 0,
    limits
  }
}
