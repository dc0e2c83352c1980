import type { OperationTarget } from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import type { RunningOperation } from './end.ts'
import { hasTargets } from './targets.ts'

const LOCK = 'os_glance_import_task'
const IMPORTING = 'os_glance_importing_to_stores'
const FAILED = 'os_glance_failed_import'

const MARK = `UPDATE images SET properties = (properties - $2::text[]) || $3::jsonb,
    version = version + 1, updated_at = now()
  WHERE id = $1 AND deleted_at IS NULL`

function names(
  targets: readonly OperationTarget[],
  states: readonly OperationTarget['state'][]
): string {
  const chosen = targets.filter(({ state }) => states.includes(state))
  return chosen.map(({ store }) => store).join(',')
}

/**
 * Shows on the image itself how its background work goes, in properties that only the service
 * writes: the lock, and for copies and imports what is still to do and what failed.
 */
export async function markImage(
  trx: Executor,
  operation: Pick<RunningOperation, 'id' | 'image_id' | 'kind'>,
  phase: 'waiting' | 'running' | 'over',
  targets: readonly OperationTarget[]
): Promise<void> {
  const marks: Record<string, string> = {}
  if (phase !== 'over') marks[LOCK] = operation.id
  if (hasTargets(operation.kind) && phase !== 'waiting') {
    marks[IMPORTING] = phase === 'over' ? '' : names(targets, ['waiting', 'writing'])
    marks[FAILED] = names(targets, ['failed'])
  }
  const gone = phase === 'over' ? [LOCK] : []
  await run(trx, MARK, [operation.image_id, gone, JSON.stringify(marks)])
}
