import {
  type BeginOperation,
  type ImageStatus,
  isTankError,
  type Lease,
  type Placement,
  type RegistryCaller,
  TankError
} from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Settings } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { type LockedImage, lockVisibleImage } from '../images/lock.ts'
import { charge, checkQuotas } from '../usage.ts'
import { fallBack } from './end.ts'
import { leaseOf, operationGone } from './lease.ts'

interface Known {
  readonly image_id: string
  readonly state: string
  readonly attempt: string
}

const RENEW = `UPDATE operations SET lease_until = now() + make_interval(secs => $2::float8 / 1000)
  WHERE id = $1`

/** The same begin again, after an answer that was lost, is no second one. */
async function isRepeated(
  trx: Executor,
  image: LockedImage,
  operation: BeginOperation,
  leaseMs: number
): Promise<boolean> {
  const [known] = await run<Known>(
    trx,
    'SELECT image_id, state, attempt FROM operations WHERE id = $1 FOR UPDATE',
    [operation.id]
  )
  if (known === undefined) return false
  if (known.image_id !== image.id) {
    throw new TankError('INVALID_REQUEST', 'The id of the operation is taken.')
  }
  if (known.state !== 'running') throw operationGone()
  if (known.attempt !== operation.attempt) {
    throw new TankError('IMAGE_BUSY', 'The operation runs with another attempt.')
  }
  await run(trx, RENEW, [operation.id, leaseMs])
  return true
}

export function demandStatus({ status }: LockedImage, from: readonly ImageStatus[]): void {
  if (from.includes(status)) return
  throw new TankError(
    'IMAGE_STATE',
    `The image is ${status}; the operation needs it to be ${from.join(' or ')}.`
  )
}

export function imageBusy(): TankError {
  return new TankError('IMAGE_BUSY', 'Another operation runs on the image.')
}

const BUSY = `SELECT FROM operations
  WHERE image_id = $1 AND exclusive AND state IN ('pending', 'running')`

export async function demandIdle(trx: Executor, { id }: LockedImage): Promise<void> {
  const [busy] = await run(trx, BUSY, [id])
  if (busy !== undefined) throw imageBusy()
}

const INSERT_BLOB = 'INSERT INTO blobs (id) VALUES ($1) ON CONFLICT (id) DO NOTHING'

const INSERT_PLACEMENT = `INSERT INTO placements (id, blob_id, store, key, role, state, project, weight)
  VALUES ($1, $2, $3, $4, $5, 'writing', $6, $7) ON CONFLICT DO NOTHING RETURNING id`

const INSERT_OPERATION = `INSERT INTO operations (id, image_id, kind, exclusive, state, attempt,
    worker, lease_until, to_status, fallback, blob_id, placement_id, reserved, reserve_known,
    project, caller_project, caller_user, request_id)
  VALUES ($1, $2, $3, true, 'running', $4, $5, now() + make_interval(secs => $6::float8 / 1000),
    $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`

const SET_STATUS = `UPDATE images SET status = $2, version = version + 1, updated_at = now()
  WHERE id = $1`

export async function insertBlob(trx: Executor, blobId: string): Promise<void> {
  await run(trx, INSERT_BLOB, [blobId])
}

/** Writes down where bytes are about to be written. Throws when the id or the key is taken. */
export async function insertPlacement(
  trx: Executor,
  blobId: string,
  { id, store, key, role, weight = 0 }: Placement,
  project: string | null
): Promise<void> {
  const values = [id, blobId, store, key, role, project, weight]
  const [placed] = await run(trx, INSERT_PLACEMENT, values)
  if (placed === undefined) {
    throw new TankError('INVALID_REQUEST', 'The id or the key of the placement is taken.')
  }
}

/** Writes down what is about to be written: blob, placement, operation. */
async function insertRows(
  trx: Executor,
  caller: RegistryCaller,
  image: LockedImage,
  operation: BeginOperation,
  leaseMs: number
): Promise<void> {
  const { placement } = operation
  await insertBlob(trx, operation.blob_id)
  await insertPlacement(trx, operation.blob_id, placement, image.owner)
  await run(trx, INSERT_OPERATION, [
    operation.id,
    image.id,
    operation.kind,
    operation.attempt,
    operation.worker,
    leaseMs,
    operation.to,
    operation.fallback,
    operation.blob_id,
    placement.id,
    operation.reserve ?? 0,
    operation.reserve !== null,
    image.owner,
    caller.project,
    caller.user,
    caller.requestId
  ])
}

/** An image that falls to `killed` has had its one chance, also when its data is over quota. */
function killRefused(
  database: Database,
  caller: RegistryCaller,
  operation: BeginOperation,
  reason: string
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, operation.image_id)
    demandStatus(image, operation.from)
    await demandIdle(trx, image)
    await fallBack(trx, image, operation.fallback)
    await noteChange(trx, image.id, 'operation.abandon', caller, {
      operation: operation.id,
      kind: operation.kind,
      reason,
      status: operation.fallback
    })
  })
}

/**
 * The write-ahead record of an operation: from its commit on, nothing that is written is lost. Throws
 * QUOTA_EXCEEDED, and then changes nothing but an image that falls to `killed`.
 */
export async function beginOperation(
  database: Database,
  caller: RegistryCaller,
  operation: BeginOperation,
  settings: Settings
): Promise<Lease> {
  try {
    return await writeAhead(database, caller, operation, settings)
  } catch (error) {
    if (operation.fallback === 'killed' && isTankError(error, 'QUOTA_EXCEEDED')) {
      await killRefused(database, caller, operation, error.message)
    }
    throw error
  }
}

function writeAhead(
  database: Database,
  caller: RegistryCaller,
  operation: BeginOperation,
  settings: Settings
): Promise<Lease> {
  const { leaseMs, quotas } = settings
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, operation.image_id)
    if (await isRepeated(trx, image, operation, leaseMs)) return leaseOf(settings)
    demandStatus(image, operation.from)
    await demandIdle(trx, image)
    await insertRows(trx, caller, image, operation, leaseMs)
    if (operation.to !== null) await run(trx, SET_STATUS, [image.id, operation.to])
    const reserve = operation.reserve ?? 0
    await charge(trx, image.owner, { uploads: 1, reserved: reserve })
    await noteChange(trx, image.id, 'operation.begin', caller, {
      operation: operation.id,
      kind: operation.kind,
      ...(operation.to === null ? {} : { status: operation.to })
    })
    if (image.owner !== null) {
      const staged = operation.kind === 'stage' ? reserve : undefined
      await checkQuotas(trx, image.owner, { uploads: 1, bytes: reserve, staged }, quotas)
    }
    return leaseOf(settings)
  })
}
