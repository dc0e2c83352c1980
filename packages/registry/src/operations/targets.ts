import type { OperationKind, OperationTarget, TargetState } from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import { storesOfBlob } from '../images/stores.ts'
import { charge } from '../usage.ts'

/*
 * A target is a placement that belongs to its operation: `writing` while bytes go there, `ready`
 * when they lie there but the image does not have them yet, then `stored`.
 */

/** Whether operations of a kind write to stores that were asked for, each with its own end. */
export function hasTargets(kind: OperationKind): boolean {
  return kind === 'copy' || kind === 'import'
}

const DISCARD = `UPDATE placements p SET state = 'garbage', garbage_at = now(), next_at = now(),
    bytes = CASE WHEN p.project IS NULL OR (p.state = 'writing' AND NOT $3) THEN 0
      ELSE coalesce((SELECT b.size FROM blobs b WHERE b.id = p.blob_id), $4) END
  WHERE p.operation_id = $1 AND p.state = ANY($2) RETURNING p.project, p.bytes`

interface Bytes {
  readonly project: string | null
  readonly bytes: number
}

export interface Discard {
  readonly states: readonly ('writing' | 'ready')[]
  /** A writer may still be writing: its bytes count, too. */
  readonly keepBytes: boolean
  /** What counts for a placement of data whose size is not known yet, in bytes. */
  readonly unsized: number
}

/** Gives what an operation wrote to the collector. Bytes that may lie there count until deleted. */
export async function discardTargets(
  trx: Executor,
  operationId: string,
  { states, keepBytes, unsized }: Discard
): Promise<void> {
  const dropped = await run<Bytes>(trx, DISCARD, [operationId, states, keepBytes, unsized])
  for (const { project, bytes } of dropped) await charge(trx, project, { stored: bytes })
}

const PUBLISH = `UPDATE placements p SET state = 'stored', project = i.owner,
    bytes = CASE WHEN i.owner IS NULL THEN 0 ELSE coalesce(b.size, 0) END
  FROM images i JOIN blobs b ON b.id = i.blob_id
  WHERE i.id = $2 AND p.operation_id = $1 AND p.state = 'ready' AND p.blob_id = b.id
  RETURNING p.project, p.bytes`

export const SHOW_STORES = `UPDATE images i SET stores = ${storesOfBlob('i.blob_id')},
    version = i.version + 1, updated_at = now()
  WHERE i.id = $1`

/** Makes what was written part of the image, and its owner's; returns the bytes. */
export async function publishTargets(
  trx: Executor,
  operationId: string,
  imageId: string
): Promise<{ readonly placements: number; readonly bytes: number }> {
  const published = await run<Bytes>(trx, PUBLISH, [operationId, imageId])
  await run(trx, SHOW_STORES, [imageId])
  let bytes = 0
  for (const each of published) {
    await charge(trx, each.project, { stored: each.bytes })
    bytes += each.bytes
  }
  return { placements: published.length, bytes }
}

/** The targets with one of them in another state. */
export function withTarget(
  targets: readonly OperationTarget[],
  store: string,
  state: TargetState
): readonly OperationTarget[] {
  return targets.map((target) => (target.store === store ? { store, state } : target))
}
