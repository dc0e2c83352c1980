import type { Heartbeat, Lease, OperationKind } from '@tank/model'
import { isUuid } from '@tank/model'
import type { Quotas, Settings } from '../config.ts'
import { type Database, run } from '../db/database.ts'
import { charge, checkQuotas } from '../usage.ts'
import { leaseOf, operationGone } from './lease.ts'

const RENEW = `UPDATE operations SET lease_until = now() + make_interval(secs => $3::float8 / 1000),
    progress_at = CASE WHEN $4 > progress THEN now() ELSE progress_at END,
    progress = greatest(progress, $4), updated_at = now()
  WHERE id = $1 AND attempt = $2 AND state = 'running'
  RETURNING NOT reserve_known AND project IS NOT NULL AND $4 > reserved`

const MORE = `UPDATE operations o SET reserved = $3
  FROM (SELECT id, reserved FROM operations WHERE id = $1 FOR UPDATE) old
  WHERE o.id = old.id AND o.attempt = $2 AND o.state = 'running' AND old.reserved < $3
  RETURNING o.project, o.kind, $3::bigint - old.reserved AS delta`

interface More {
  readonly project: string
  readonly kind: OperationKind
  readonly delta: number
}

/** An upload of unknown size reserves what it has received. */
function reserveProgress(
  database: Database,
  id: string,
  beat: Heartbeat,
  quotas: Quotas
): Promise<void> {
  return database.transaction(async (trx) => {
    const [more] = await run<More>(trx, MORE, [id, beat.attempt, beat.progress])
    if (more === undefined) return
    await charge(trx, more.project, { reserved: more.delta })
    const staged = more.kind === 'upload' ? undefined : more.delta
    await checkQuotas(trx, more.project, { bytes: more.delta, staged }, quotas)
  })
}

/** Renews the lease of a running operation for who holds its attempt. */
export async function heartbeat(
  database: Database,
  id: string,
  beat: Heartbeat,
  settings: Settings
): Promise<Lease> {
  if (!isUuid(id)) throw operationGone()
  const values = [id, beat.attempt, settings.leaseMs, beat.progress]
  const [row] = await database.query(RENEW, values, true)
  if (row === undefined) throw operationGone()
  if (row[0] === true) await reserveProgress(database, id, beat, settings.quotas)
  return leaseOf(settings)
}
