import type { ImageStatus, OperationKind, OperationTarget } from '@tank/model'
import { type Actor, type ChangeType, noteChange } from '../changes.ts'
import { type Executor, run } from '../db/database.ts'
import { forgetBlob, releaseBlob } from '../garbage.ts'
import type { LockedImage } from '../images/lock.ts'
import { charge } from '../usage.ts'
import { markImage } from './marks.ts'
import { discardTargets, hasTargets } from './targets.ts'

/** A running operation, locked. */
export interface RunningOperation {
  readonly id: string
  readonly image_id: string
  readonly kind: OperationKind
  readonly state: string
  readonly attempt: string
  readonly to_status: ImageStatus | null
  readonly fallback: ImageStatus
  readonly blob_id: string | null
  readonly placement_id: string | null
  readonly reserved: number
  readonly project: string | null
  /** Any worker may do it: it waits in the state `pending`, and goes there again when one died. */
  readonly background: boolean
  readonly tries: number
  readonly targets: readonly OperationTarget[]
  readonly must_succeed: boolean
}

export const OPERATION_COLUMNS = `id, image_id, kind, state, attempt, to_status, fallback, blob_id,
  placement_id, reserved, project, background, tries, targets, must_succeed`

export interface Failure {
  readonly reason: string
  readonly change: ChangeType | null
  readonly actor: Actor | null
  /** The writer may still be writing: its bytes count until a store has deleted them. */
  readonly keepBytes: boolean
}

const FAIL = `UPDATE operations SET state = 'failure', error = $2, lease_until = NULL, reserved = 0,
    targets = $3, ended_at = now(), updated_at = now()
  WHERE id = $1`

const DISCARD = `UPDATE placements SET state = 'garbage', bytes = $2, garbage_at = now(),
    next_at = now()
  WHERE id = $1 AND state = 'writing' AND role <> 'external'`

/** Bytes at an outside location are not ours to delete. */
const FORGET = `DELETE FROM placements WHERE id = $1 AND state = 'writing' AND role = 'external'`

const FALL_BACK = `UPDATE images SET status = $2, version = version + 1, updated_at = now()
  WHERE id = $1`

const FALL_BACK_EMPTY = `UPDATE images SET status = $2, size = NULL, virtual_size = NULL,
    checksum = NULL, os_hash_algo = NULL, os_hash_value = NULL, stores = NULL, blob_id = NULL,
    version = version + 1, updated_at = now()
  WHERE id = $1`

/** Gives an image another status; one that has no data lets go of what it had. */
export async function fallBack(
  trx: Executor,
  image: LockedImage,
  status: ImageStatus
): Promise<void> {
  const empty = status === 'queued' || status === 'killed'
  await run(trx, empty ? FALL_BACK_EMPTY : FALL_BACK, [image.id, status])
  if (empty && image.blob_id !== null) await releaseBlob(trx, image.blob_id)
}

/** Stores that the image does not get: what was named by the worker, else all that are not done. */
function failedTargets({ targets, must_succeed }: RunningOperation): readonly OperationTarget[] {
  if (must_succeed && targets.some(({ state }) => state === 'failed')) return targets
  return targets.map(({ store, state }) =>
    state === 'stored' && !must_succeed ? { store, state } : { store, state: 'failed' }
  )
}

/** What was written goes to the collector, what lies outside is forgotten. Returns bytes kept. */
async function dropWritten(
  trx: Executor,
  operation: RunningOperation,
  keepBytes: boolean
): Promise<number> {
  if (operation.background && hasTargets(operation.kind)) {
    const unsized = operation.reserved
    await discardTargets(trx, operation.id, { states: ['writing', 'ready'], keepBytes, unsized })
    if (operation.blob_id !== null) await forgetBlob(trx, operation.blob_id)
    return 0
  }
  const kept = keepBytes && operation.project !== null ? operation.reserved : 0
  await run(trx, DISCARD, [operation.placement_id, kept])
  await run(trx, FORGET, [operation.placement_id])
  if (operation.kind === 'location' && operation.blob_id !== null) {
    await forgetBlob(trx, operation.blob_id)
  }
  return kept
}

/** Ends an operation without success; the image and the operation are locked by the caller. */
export async function failOperation(
  trx: Executor,
  image: LockedImage,
  operation: RunningOperation,
  failure: Failure
): Promise<void> {
  const targets = failedTargets(operation)
  await run(trx, FAIL, [operation.id, failure.reason, JSON.stringify(targets)])
  // what nobody has claimed yet has not changed the image
  const fell = !image.deleted && image.status === operation.to_status
  if (fell) await fallBack(trx, image, operation.fallback)
  const kept = await dropWritten(trx, operation, failure.keepBytes)
  if (operation.background && !image.deleted) await markImage(trx, operation, 'over', targets)
  await charge(trx, operation.project, {
    uploads: -1,
    reserved: -operation.reserved,
    stored: kept
  })
  if (failure.change === null) return
  await noteChange(trx, operation.image_id, failure.change, failure.actor, {
    operation: operation.id,
    kind: operation.kind,
    reason: failure.reason,
    ...(fell ? { status: operation.fallback } : {})
  })
}
