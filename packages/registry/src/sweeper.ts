import type { FastifyBaseLogger } from 'fastify'
import { type Database, run } from './db/database.ts'
import { expireUnfinished } from './images/expire-unfinished.ts'
import { scrubImages } from './images/pending-delete.ts'
import { expireStaged } from './operations/expire-staged.ts'
import { lockOperation } from './operations/find.ts'
import { loseOperation } from './operations/requeue.ts'

export interface Sweeper {
  start(): void
  close(): Promise<void>
}

export interface SweeperOptions {
  readonly database: Database
  readonly leaseMs: number
  readonly sweepMs: number
  /** How often background work is tried. */
  readonly tries: number
  /** How long deleted images keep their data. */
  readonly deleteDelayMs: number
  /** How long images may wait for data; 0: for ever. */
  readonly unfinishedMs: number
  readonly log: FastifyBaseLogger
}

const BATCH = 100
const EXPIRED = `SELECT id FROM operations WHERE state = 'running' AND lease_until < now()
  ORDER BY lease_until LIMIT ${BATCH}`
const STILL_EXPIRED = `SELECT FROM operations WHERE id = $1 AND lease_until < now()`
const REASON = 'lease expired'

/** Ends one operation whose lease ran out, unless it was renewed or ended meanwhile. */
async function expire(database: Database, id: string, tries: number): Promise<string | undefined> {
  return database.transaction(async (trx) => {
    const locked = await lockOperation(trx, id, { skipLocked: true })
    if (locked === null || locked.operation.state !== 'running') return undefined
    const [expired] = await run(trx, STILL_EXPIRED, [id])
    if (expired === undefined) return undefined
    const loss = { reason: REASON, change: 'operation.expire', actor: null } as const
    await loseOperation(trx, locked.image, locked.operation, loss, tries)
    return locked.image.id
  })
}

/** One round; returns how many operations were ended. */
async function sweep(database: Database, tries: number, log: FastifyBaseLogger): Promise<number> {
  let ended = 0
  const rows = await database.query(EXPIRED, [])
  for (const [id] of rows) {
    const imageId = await expire(database, String(id), tries)
    if (imageId === undefined) continue
    ended++
    log.warn({ imageId, operationId: id, reason: REASON }, 'operation expired')
  }
  return ended
}

/**
 * Ends operations without a live worker. Workers can renew their leases only while a registry and
 * its database answer: after every time without them, no lease expires for one lease period.
 */
export function createSweeper(options: SweeperOptions): Sweeper {
  const { database, leaseMs, sweepMs, tries, deleteDelayMs, unfinishedMs, log } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let closed = false
  let lastTurn = 0
  let notBefore = 0

  async function sweepAll(): Promise<void> {
    for (let ended = BATCH; ended === BATCH && !closed; ) ended = await sweep(database, tries, log)
    await expireStaged(database, log)
    await expireUnfinished(database, unfinishedMs, log)
    await scrubImages(database, deleteDelayMs, log)
  }

  async function turn(): Promise<void> {
    const now = performance.now()
    // this process stood still: so may have the heartbeats
    if (now - lastTurn > sweepMs + leaseMs / 2) notBefore = now + leaseMs
    lastTurn = now
    try {
      if (now < notBefore) await database.query('SELECT 1', [])
      else await sweepAll()
    } catch (err) {
      notBefore = performance.now() + leaseMs
      if (!closed) log.warn({ err }, 'expired leases could not be looked for')
    }
    lastTurn = performance.now()
    schedule()
  }

  function schedule(): void {
    if (closed) return
    timer = setTimeout(() => {
      running = turn()
    }, sweepMs)
    timer.unref()
  }

  return {
    start() {
      lastTurn = performance.now()
      notBefore = lastTurn + leaseMs
      schedule()
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    }
  }
}
