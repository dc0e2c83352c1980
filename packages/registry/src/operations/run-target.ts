import { type BeginTarget, TankError, type TargetFailed, type TargetStored } from '@tank/model'
import type { Quotas } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import type { LockedImage } from '../images/lock.ts'
import { charge, checkQuotas } from '../usage.ts'
import { insertPlacement } from './begin.ts'
import type { RunningOperation } from './end.ts'
import { lockOperation } from './find.ts'
import { checkImmutable, completeBlob, SHOW_DATA } from './finish.ts'
import { operationGone } from './lease.ts'
import { markImage } from './marks.ts'
import { publishTargets, withTarget } from './targets.ts'

export interface Held {
  readonly image: LockedImage
  readonly operation: RunningOperation
}

/** Locks a running operation for who holds its attempt. Throws OPERATION_GONE or IMAGE_GONE. */
export async function holdOperation(trx: Executor, id: string, attempt: string): Promise<Held> {
  const locked = await lockOperation(trx, id)
  if (locked === null || locked.operation.attempt !== attempt) throw operationGone()
  if (locked.image.deleted) {
    throw new TankError('IMAGE_GONE', 'The image was deleted while the operation ran.')
  }
  if (locked.operation.state !== 'running') throw operationGone()
  return locked
}

const SET_TARGETS = 'UPDATE operations SET targets = $2, updated_at = now() WHERE id = $1'
const BELONG = 'UPDATE placements SET operation_id = $2 WHERE id = $1'
const PLACED = 'SELECT FROM placements WHERE id = $1 AND operation_id = $2'

/** The write-ahead record of one target: from its commit on, nothing that is written there is lost. */
export function beginTarget(
  database: Database,
  id: string,
  { attempt, placement }: BeginTarget
): Promise<void> {
  return database.transaction(async (trx) => {
    const { image, operation } = await holdOperation(trx, id, attempt)
    const [known] = await run(trx, PLACED, [placement.id, operation.id])
    if (known !== undefined) return
    const target = operation.targets.find(({ store }) => store === placement.store)
    if (target?.state !== 'waiting' || placement.role !== 'data' || operation.blob_id === null) {
      throw new TankError('INVALID_REQUEST', 'The operation does not wait for this store.')
    }
    await insertPlacement(trx, operation.blob_id, placement, image.owner)
    await run(trx, BELONG, [placement.id, operation.id])
    const targets = withTarget(operation.targets, placement.store, 'writing')
    await run(trx, SET_TARGETS, [operation.id, JSON.stringify(targets)])
  })
}

const READY = `UPDATE placements SET state = 'ready'
  WHERE id = $1 AND operation_id = $2 AND state = 'writing' RETURNING store`

const SPEND = 'UPDATE operations SET reserved = reserved - $2 WHERE id = $1'

/** The bytes of one target lie there: shown at once, or with the others when all have to succeed. */
export function targetStored(
  database: Database,
  id: string,
  { attempt, placement_id, blob }: TargetStored,
  quotas: Quotas
): Promise<void> {
  return database.transaction(async (trx) => {
    const { image, operation } = await holdOperation(trx, id, attempt)
    await checkImmutable(trx, image, operation, blob)
    const [ready] = await run<{ store: string }>(trx, READY, [placement_id, operation.id])
    if (ready === undefined) return
    const isNews = await completeBlob(trx, operation.blob_id, blob)
    const isShown = operation.kind === 'copy'
    if (isNews && isShown) await run(trx, SHOW_DATA, [image.id, null, operation.blob_id])
    const targets = withTarget(operation.targets, ready.store, 'stored')
    await run(trx, SET_TARGETS, [operation.id, JSON.stringify(targets)])
    await markImage(trx, operation, 'running', targets)
    if (isNews && operation.kind === 'import') await reserveSize(trx, operation, blob.size, quotas)
    // what is imported is shown when all is over
    if (operation.must_succeed || !isShown) return
    const { bytes } = await publishTargets(trx, operation.id, image.id)
    await giveBack(trx, operation, blob.size)
    // who was given the image meanwhile has reserved nothing
    const isOthers = image.owner !== null && image.owner !== operation.project
    if (isOthers) await checkQuotas(trx, image.owner, { bytes }, quotas)
  })
}

const RESERVE = `UPDATE operations SET reserved = $2
  WHERE id = $1 AND NOT reserve_known AND reserved < $2 RETURNING id`

/** Data from outside has a size at last; heartbeats may not have told all of it. */
async function reserveSize(
  trx: Executor,
  { id, project, reserved }: RunningOperation,
  size: number,
  quotas: Quotas
): Promise<void> {
  const [more] = await run(trx, RESERVE, [id, size])
  if (more === undefined) return
  const bytes = size - reserved
  await charge(trx, project, { reserved: bytes })
  if (project !== null) await checkQuotas(trx, project, { bytes, staged: bytes }, quotas)
}

/** A published target counts as stored, no longer as reserved. */
async function giveBack(trx: Executor, operation: RunningOperation, size: number): Promise<void> {
  const spent = Math.min(size, operation.reserved)
  await run(trx, SPEND, [operation.id, spent])
  await charge(trx, operation.project, { reserved: -spent })
}

const UNWRITE = `UPDATE placements SET state = 'garbage', garbage_at = now(), next_at = now()
  WHERE operation_id = $1 AND store = $2 AND state = 'writing'`

/** One target cannot be written; its worker has stopped, and its store has cleaned up. */
export function targetFailed(
  database: Database,
  id: string,
  { attempt, store, reason }: TargetFailed
): Promise<void> {
  return database.transaction(async (trx) => {
    const { operation } = await holdOperation(trx, id, attempt)
    const target = operation.targets.find((each) => each.store === store)
    if (target === undefined || target.state === 'stored') {
      throw new TankError('INVALID_REQUEST', 'The operation does not wait for this store.')
    }
    await run(trx, UNWRITE, [operation.id, store])
    const targets = withTarget(operation.targets, store, 'failed')
    const text = 'UPDATE operations SET targets = $2, error = $3, updated_at = now() WHERE id = $1'
    await run(trx, text, [operation.id, JSON.stringify(targets), reason])
    await markImage(trx, operation, 'running', targets)
  })
}
