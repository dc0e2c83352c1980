import { type CompleteOperation, type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Quotas } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { charge, checkQuotas } from '../usage.ts'
import { failOperation, type RunningOperation } from './end.ts'
import { lockOperation } from './find.ts'
import { SHOW_DATA } from './finish.ts'
import { takeFound } from './found.ts'
import { markImage } from './marks.ts'
import { type Held, holdOperation } from './run-target.ts'
import { hasTargets, publishTargets } from './targets.ts'

const SUCCEED = `UPDATE operations SET state = 'success', lease_until = NULL, reserved = 0,
    ended_at = now(), updated_at = now()
  WHERE id = $1`

const ERROR = 'SELECT error FROM operations WHERE id = $1'

function hasFailed({ kind, targets, must_succeed }: RunningOperation): boolean {
  if (!hasTargets(kind)) return false
  const stored = targets.filter(({ state }) => state === 'stored').length
  return must_succeed ? stored < targets.length : stored === 0
}

const PROMOTE = `UPDATE placements SET role = 'data', expires_at = NULL
  WHERE blob_id = $1 AND role = 'staged' AND state = 'stored' AND store = ANY($2)`

const UNSTAGE = `UPDATE placements SET state = 'garbage', garbage_at = now(), next_at = now()
  WHERE blob_id = $1 AND role = 'staged' AND state = 'stored'`

/** Staged bytes become the image's where it was to be stored; all other ones have done their work. */
async function showImport(
  trx: Executor,
  { image, operation }: Held,
  found: CompleteOperation['found']
): Promise<void> {
  const { blob_id, targets } = operation
  const stored = targets.filter(({ state }) => state === 'stored').map(({ store }) => store)
  await run(trx, PROMOTE, [blob_id, stored])
  await run(trx, UNSTAGE, [blob_id])
  if (found !== undefined) await takeFound(trx, image.id, blob_id, found)
  await run(trx, SHOW_DATA, [image.id, 'active', blob_id])
}

async function succeed(
  trx: Executor,
  caller: RegistryCaller,
  { image, operation }: Held,
  found: CompleteOperation['found'],
  quotas: Quotas
): Promise<void> {
  await run(trx, SUCCEED, [operation.id])
  const isImport = operation.kind === 'import'
  if (isImport) await showImport(trx, { image, operation }, found)
  const { bytes } = hasTargets(operation.kind)
    ? await publishTargets(trx, operation.id, image.id)
    : { bytes: 0 }
  await markImage(trx, operation, 'over', operation.targets)
  await charge(trx, operation.project, { uploads: -1, reserved: -operation.reserved })
  await noteChange(trx, image.id, 'operation.finish', caller, {
    operation: operation.id,
    kind: operation.kind,
    targets: operation.targets,
    ...(isImport ? { status: 'active' } : {})
  })
  if (image.owner !== null && bytes > 0) await checkQuotas(trx, image.owner, { bytes }, quotas)
}

/**
 * Ends background work that has reported all its steps: with success when enough of them succeeded,
 * else as a failure that takes back what it has to.
 */
export function completeOperation(
  database: Database,
  caller: RegistryCaller,
  id: string,
  { attempt, found }: CompleteOperation,
  quotas: Quotas
): Promise<void> {
  return database.transaction(async (trx) => {
    const known = await lockOperation(trx, id)
    const isRepeated = known?.operation.attempt === attempt && known.operation.state === 'success'
    if (isRepeated && !known.image.deleted) return
    const held = await holdOperation(trx, id, attempt)
    if (!held.operation.background) {
      throw new TankError('INVALID_REQUEST', 'Only background work is completed.')
    }
    if (!hasFailed(held.operation)) return succeed(trx, caller, held, found, quotas)
    const [row] = await run<{ error: string | null }>(trx, ERROR, [id])
    await failOperation(trx, held.image, held.operation, {
      reason: row?.error ?? 'no store took the data',
      change: 'operation.abandon',
      actor: caller,
      keepBytes: false
    })
  })
}
