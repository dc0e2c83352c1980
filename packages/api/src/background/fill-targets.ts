import { randomUUID } from 'node:crypto'
import { type BlobFacts, type FoundData, isTankError, type Placement, TankError } from '@tank/model'
import { isWritable, newKey, type WritableStore } from '@tank/store'
import { fromStoreError } from '../store-errors.ts'
import { insist } from './insist.ts'
import type { JobContext, JobRun } from './job.ts'

/** Where data is about to be written; the registry knows of it. */
export interface Target {
  readonly store: WritableStore
  readonly placement: Placement
}

/** Writes the data there, whole or not at all, and says what it was. */
export type Fill = (target: Target) => Promise<BlobFacts>

/** The data itself cannot be had, so no target can get it; `cause` says why. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'
  constructor(cause: unknown) {
    super('the data cannot be read', { cause })
  }
}

function targetStore(context: JobContext, name: string): WritableStore {
  const store = context.reading.stores.get(name)
  if (store !== undefined && isWritable(store)) return store
  throw new TankError('STORE_READ_ONLY', `Store '${name}' does not take images`)
}

async function fillOne(context: JobContext, run: JobRun, name: string, fill: Fill): Promise<void> {
  const { registry, reading } = context
  const { job, attempt, caller, signal } = run
  const store = targetStore(context, name)
  const weight = reading.stores.entry(name)?.weight ?? 0
  const placement = { id: randomUUID(), store: name, key: newKey(), role: 'data', weight } as const
  await insist(signal, () => registry.beginTarget(caller, job.id, { attempt, placement }))
  const blob = await fill({ store, placement })
  const stored = { attempt, placement_id: placement.id, blob }
  await insist(signal, () => registry.targetStored(caller, job.id, stored))
}

/** Errors that are the end of the work, not of one target. */
function endsAll(error: unknown): boolean {
  return isTankError(error, 'OPERATION_GONE') || isTankError(error, 'IMAGE_GONE')
}

/**
 * Fills the targets of the work that nobody has filled yet, one after the other, tells the registry
 * of each, and ends the work, saying what `found` says by then. One that fails is the end of all when
 * all have to succeed.
 */
export async function fillTargets(
  context: JobContext,
  run: JobRun,
  fill: Fill,
  found: () => FoundData | undefined = () => undefined
): Promise<void> {
  const { registry } = context
  const { job, attempt, caller, signal, log } = run
  for (const { store, state } of job.targets) {
    if (state === 'stored' || state === 'failed') continue
    try {
      await fillOne(context, run, store, fill)
    } catch (error) {
      if (signal.aborted || endsAll(error)) throw error
      if (error instanceof SourceFailure) throw error.cause
      log.warn({ err: error, store }, 'a copy failed')
      const reason = fromStoreError(error).message
      const failed = { attempt, store, reason }
      await insist(signal, () => registry.targetFailed(caller, job.id, failed))
      context.garbageLeft()
      if (job.must_succeed) break
    }
  }
  await insist(signal, () => registry.complete(caller, job.id, { attempt, found: found() }))
  context.garbageLeft()
}
