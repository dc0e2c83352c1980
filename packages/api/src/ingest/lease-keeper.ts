import type { RegistryClient } from '@tank/client'
import { isTankError, type Lease, type RegistryCaller, TankError } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'

export interface LeaseKeeper {
  /** Aborts when the operation is lost: taken away, or not renewed in time. */
  readonly signal: AbortSignal
  /** Until when, on the clock of `performance.now()`, the operation is certainly ours. */
  readonly heldUntil: number
  stop(): void
}

export interface LeaseKeeperOptions {
  readonly registry: RegistryClient
  readonly caller: RegistryCaller
  readonly operationId: string
  readonly attempt: string
  /** When `begin` was sent (`performance.now()`): the lease is counted from there, never from its answer. */
  readonly begunAt: number
  readonly lease: Lease
  readonly progress: () => number
  readonly log: FastifyBaseLogger
}

const RETRY_MS = 1000

/**
 * Renews the lease of a running operation. When the registry says that it is gone, or when nobody
 * could be asked until the lease ran out, `signal` aborts and the writer has to stop.
 */
export function keepLease(options: LeaseKeeperOptions): LeaseKeeper {
  const { registry, caller, operationId, attempt, log } = options
  const controller = new AbortController()
  let heldUntil = options.begunAt + options.lease.lease_ms
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  const lose = (error: TankError): void => {
    stop()
    controller.abort(error)
  }
  const schedule = (ms: number): void => {
    if (!stopped) timer = setTimeout(beat, Math.max(10, ms))
  }
  const beat = async (): Promise<void> => {
    const sentAt = performance.now()
    if (sentAt >= heldUntil) {
      lose(new TankError('REGISTRY_UNAVAILABLE', 'The registry could not be reached in time'))
      return
    }
    try {
      const lease = await registry.heartbeat(
        caller,
        operationId,
        { attempt, progress: options.progress() },
        { signal: AbortSignal.timeout(Math.ceil(heldUntil - sentAt)) }
      )
      heldUntil = sentAt + lease.lease_ms
      schedule(lease.heartbeat_ms)
    } catch (error) {
      if (stopped) return
      if (isTankError(error, 'OPERATION_GONE') || isTankError(error, 'IMAGE_GONE')) {
        lose(
          new TankError('IMAGE_GONE', 'The image was deleted or the upload was given up', {
            cause: error
          })
        )
        return
      }
      if (isTankError(error, 'QUOTA_EXCEEDED')) {
        lose(error)
        return
      }
      log.warn({ err: error, operationId }, 'heartbeat failed')
      schedule(Math.min(RETRY_MS, heldUntil - performance.now()))
    }
  }
  const stop = (): void => {
    stopped = true
    clearTimeout(timer)
  }

  schedule(options.lease.heartbeat_ms)
  return {
    signal: controller.signal,
    get heldUntil() {
      return heldUntil
    },
    stop
  }
}
