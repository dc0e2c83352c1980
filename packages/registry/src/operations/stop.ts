import type { AbandonOperation, RegistryCaller } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import type { Database } from '../db/database.ts'
import { failOperation } from './end.ts'
import { lockOperation } from './find.ts'
import { loseOperation, requeueOperation } from './requeue.ts'

/**
 * Ends an operation whose worker gave up. The worker has stopped writing, and unless it says that bytes
 * are `kept` its store has removed what was written, so that they leave the usage at once. What is gone
 * already is left alone.
 */
export function abandonOperation(
  database: Database,
  caller: RegistryCaller,
  id: string,
  { attempt, reason, again, kept = false }: AbandonOperation
): Promise<void> {
  return database.transaction(async (trx) => {
    const locked = await lockOperation(trx, id)
    if (locked === null || locked.operation.attempt !== attempt) return
    if (locked.operation.state !== 'running') return
    if (again === true && locked.operation.background) {
      // a try that was not used up
      const tries = Math.max(0, locked.operation.tries - 1)
      await requeueOperation(trx, locked.operation, { reason, actor: caller }, tries)
      return
    }
    await failOperation(trx, locked.image, locked.operation, {
      reason,
      change: 'operation.abandon',
      actor: caller,
      keepBytes: kept
    })
  })
}

const OF_WORKER = `SELECT id FROM operations WHERE state = 'running' AND starts_with(worker, $1)`

/**
 * Takes every running operation from workers that are known to be dead; background work waits for
 * another one. Returns how many there were.
 */
export async function releaseOperations(
  database: Database,
  caller: RegistryCaller,
  workerPrefix: string,
  { tries, log }: { readonly tries: number; readonly log: FastifyBaseLogger }
): Promise<number> {
  const rows = await database.query(OF_WORKER, [workerPrefix])
  let released = 0
  for (const [id] of rows) {
    const imageId = await database.transaction(async (trx) => {
      const locked = await lockOperation(trx, String(id))
      if (locked === null || locked.operation.state !== 'running') return undefined
      const loss = { reason: 'worker is gone', change: 'operation.release', actor: caller } as const
      await loseOperation(trx, locked.image, locked.operation, loss, tries)
      return locked.image.id
    })
    if (imageId === undefined) continue
    released++
    log.warn({ imageId, operationId: id, reason: 'worker is gone' }, 'operation released')
  }
  return released
}
