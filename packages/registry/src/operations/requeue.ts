import type { OperationTarget } from '@tank/model'
import { type Actor, type ChangeType, noteChange } from '../changes.ts'
import { type Executor, run } from '../db/database.ts'
import type { LockedImage } from '../images/lock.ts'
import { failOperation, type RunningOperation } from './end.ts'
import { markImage } from './marks.ts'
import { discardTargets } from './targets.ts'

/** The old attempt is worth nothing from here on. */
const REQUEUE = `UPDATE operations SET state = 'pending', attempt = '', worker = NULL,
    lease_until = NULL, not_before = now(), progress = 0, progress_at = now(), tries = $2,
    targets = $3, error = $4, updated_at = now()
  WHERE id = $1`

export interface Loss {
  readonly reason: string
  /** The change row when the operation ends here. */
  readonly change: ChangeType
  readonly actor: Actor | null
}

/**
 * Gives background work back for another worker to claim. What the old one was writing goes to the
 * collector; the next one writes to keys of its own.
 */
export async function requeueOperation(
  trx: Executor,
  operation: RunningOperation,
  { reason, actor }: Omit<Loss, 'change'>,
  tries: number
): Promise<void> {
  const targets = operation.targets.map(
    ({ store, state }): OperationTarget => ({
      store,
      state: state === 'writing' ? 'waiting' : state
    })
  )
  // what it reserved stays reserved
  await discardTargets(trx, operation.id, { states: ['writing'], keepBytes: true, unsized: 0 })
  await run(trx, REQUEUE, [operation.id, tries, JSON.stringify(targets), reason])
  await markImage(trx, operation, 'running', targets)
  await noteChange(trx, operation.image_id, 'operation.requeue', actor, {
    operation: operation.id,
    kind: operation.kind,
    reason,
    tries: operation.tries
  })
}

/**
 * Takes an operation from a worker that is gone. Background work is tried again, but not for ever;
 * everything else has ended with its worker. Returns what became of it.
 */
export async function loseOperation(
  trx: Executor,
  image: LockedImage,
  operation: RunningOperation,
  loss: Loss,
  mostTries: number
): Promise<'requeued' | 'failed'> {
  if (operation.background && !image.deleted && operation.tries < mostTries) {
    await requeueOperation(trx, operation, loss, operation.tries)
    return 'requeued'
  }
  const { tries } = operation
  const reason = operation.background
    ? `given up after ${tries} tries: ${loss.reason}`
    : loss.reason
  await failOperation(trx, image, operation, {
    reason,
    change: loss.change,
    actor: loss.actor,
    keepBytes: true
  })
  return 'failed'
}
