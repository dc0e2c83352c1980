import { setTimeout as sleep } from 'node:timers/promises'
import { isTankError, type Job, type RegistryCaller, TankError } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import { keepLease } from '../ingest/lease-keeper.ts'
import type { RunningUploads } from '../ingest/running-uploads.ts'
import { fromStoreError } from '../store-errors.ts'
import type { JobContext, JobHandlers } from './job.ts'
import { untilAborted } from './until-aborted.ts'

export interface RunJobOptions {
  readonly context: JobContext
  readonly handlers: JobHandlers
  readonly running: RunningUploads
  readonly job: Job
  readonly attempt: string
  /** When the work was claimed, by `performance.now()`. */
  readonly claimedAt: number
  readonly log: FastifyBaseLogger
}

const ABANDON_TRIES = 5
const ABANDON_PAUSE_MS = 250
/** Less than a stopping process waits for all. */
const GRACE_MS = 3000
/** How many looks fit into the time without progress. */
const LOOKS = 10

function callerOf(job: Job): RegistryCaller {
  const { project, user, request_id } = job
  return { project, user, scope: 'all', requestId: request_id ?? '' }
}

/** Watches that bytes move. */
function stallWatch(stallMs: number): {
  readonly signal: AbortSignal
  readonly progress: () => number
  readonly advance: (bytes: number) => void
  stop(): void
} {
  const controller = new AbortController()
  let total = 0
  let movedAt = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - movedAt < stallMs) return
    controller.abort(new TankError('DATA_UNAVAILABLE', 'The data did not move for too long'))
  }, stallMs / LOOKS)
  timer.unref()
  return {
    signal: controller.signal,
    progress: () => total,
    advance: (bytes) => {
      total += bytes
      movedAt = performance.now()
    },
    stop: () => clearInterval(timer)
  }
}

/** One sentence that users may read. */
function reasonOf(error: unknown): string {
  return fromStoreError(error).message
}

/** Tells the registry why the work ends; what has to be done elsewhere goes to another worker. */
export async function abandonJob(
  options: Pick<RunJobOptions, 'context' | 'job' | 'attempt' | 'log'>,
  error: unknown
): Promise<void> {
  const { context, job, attempt, log } = options
  const again = isTankError(error, 'SHUTTING_DOWN') || isTankError(error, 'REGISTRY_UNAVAILABLE')
  const body = { attempt, reason: reasonOf(error), ...(again ? { again } : {}) }
  for (let tries = 1; tries <= ABANDON_TRIES; tries++) {
    try {
      await context.registry.abandon(callerOf(job), job.id, body)
      return
    } catch (err) {
      log.warn({ err, tries }, 'abandon failed')
      if (!isTankError(err, 'REGISTRY_UNAVAILABLE')) return
      await sleep(ABANDON_PAUSE_MS * tries)
    }
  }
}

/** Waits for work that was told to stop, but not for ever: a store may not heed its signal. */
async function withGrace(work: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await untilAborted(signal, work)
  } catch (error) {
    if (signal.aborted) {
      const over = work.catch(() => {})
      await Promise.race([over, sleep(GRACE_MS, undefined, { ref: false })])
    }
    throw error
  }
}

/** Does claimed work under its lease, to whatever end; never rejects. */
export async function runJob(options: RunJobOptions): Promise<void> {
  const { context, handlers, job, attempt } = options
  const log = options.log.child({ jobId: job.id, kind: job.kind, imageId: job.image_id })
  const caller = callerOf(job)
  const running = options.running.begin(job.image_id)
  const watch = stallWatch(context.stallMs)
  const lease = keepLease({
    registry: context.registry,
    caller,
    operationId: job.id,
    attempt,
    begunAt: options.claimedAt,
    lease: job,
    progress: watch.progress,
    log
  })
  const signal = AbortSignal.any([lease.signal, running.signal, watch.signal])
  try {
    const { advance } = watch
    const run = { job, attempt, caller, signal, advance, log }
    await withGrace(handlers[job.kind](context, run), signal)
    log.info('background work done')
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error
    log.warn({ err: cause }, 'background work failed')
    await abandonJob({ ...options, log }, cause)
    context.garbageLeft()
  } finally {
    watch.stop()
    lease.stop()
    running.end()
  }
}
