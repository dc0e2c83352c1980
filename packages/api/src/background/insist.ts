import { setTimeout as sleep } from 'node:timers/promises'
import { isTankError } from '@tank/model'

const PAUSE_MS = 250

/**
 * Repeats an idempotent call while no registry answers, until the signal ends it: that is, for as
 * long as the lease is held.
 */
export async function insist<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      if (!isTankError(error, 'REGISTRY_UNAVAILABLE')) throw error
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
