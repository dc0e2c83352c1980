import { randomUUID } from 'node:crypto'
import { type BackgroundKind, TankError } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import type { RunningUploads } from '../ingest/running-uploads.ts'
import type { JobContext, JobHandlers } from './job.ts'
import { abandonJob, runJob } from './run-job.ts'

export interface JobWorker {
  start(): void
  /** Looks for work soon instead of at the next turn. */
  nudge(): void
  /** Takes no more work; what runs is ended by `running`. */
  close(): Promise<void>
}

export interface JobWorkerOptions {
  readonly context: JobContext
  readonly handlers: JobHandlers
  readonly running: RunningUploads
  /** Who this process is, as the registry notes it. */
  readonly worker: string
  /** Work at once; 0: none is claimed. */
  readonly concurrency: number
  readonly pollMs: number
  readonly log: FastifyBaseLogger
}

/**
 * Claims background work while there is room for it: when it is told that there is some, and from
 * time to time for what other processes were asked for or died with.
 */
export function createJobWorker(options: JobWorkerOptions): JobWorker {
  const { context, handlers, running, worker, concurrency, pollMs, log } = options
  const { registry, reading, remotes } = context
  const kinds = Object.keys(handlers) as BackgroundKind[]
  const active = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined
  let claiming: Promise<void> | undefined
  let nudged = false
  let closed = false

  const schedule = (): void => {
    clearTimeout(timer)
    if (closed) return
    // processes that started together do not ask together
    timer = setTimeout(look, pollMs * (0.75 + Math.random() / 2))
    timer.unref()
  }

  async function claimOne(): Promise<boolean> {
    const attempt = randomUUID()
    const claimedAt = performance.now()
    const stores = [...reading.stores.names(), ...remotes.readers]
    const job = await registry.claim({ worker, attempt, kinds, stores })
    if (job === null) return false
    if (closed) {
      const stopping = new TankError('SHUTTING_DOWN', 'The service is shutting down')
      await abandonJob({ context, job, attempt, log }, stopping)
      return false
    }
    const run = runJob({ context, handlers, running, job, attempt, claimedAt, log }).finally(() => {
      active.delete(run)
      look()
    })
    active.add(run)
    return true
  }

  async function claimAll(): Promise<void> {
    try {
      while (!closed && active.size < concurrency) {
        nudged = false
        if (!(await claimOne()) && !nudged) break
      }
    } catch (err) {
      if (!closed) log.warn({ err }, 'background work could not be claimed')
    }
  }

  function look(): void {
    if (closed || claiming !== undefined) return
    claiming = claimAll().finally(() => {
      claiming = undefined
      schedule()
    })
  }

  return {
    start() {
      if (concurrency > 0) schedule()
    },
    nudge() {
      if (concurrency === 0) return
      nudged = true
      look()
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await claiming
      await Promise.all(active)
    }
  }
}
