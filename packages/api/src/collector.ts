import type { RegistryClient } from '@tank/client'
import type { GarbagePlacement } from '@tank/model'
import { isWritable, type Stores } from '@tank/store'
import type { FastifyBaseLogger } from 'fastify'

export interface Collector {
  /** Looks for garbage soon instead of at the next turn. */
  nudge(): void
  /** One round; returns how many placements were deleted. */
  collect(): Promise<number>
  close(): Promise<void>
}

export interface CollectorOptions {
  readonly registry: RegistryClient
  readonly stores: Stores
  readonly intervalMs: number
  readonly log: FastifyBaseLogger
}

const BATCH = 100
const NUDGE_MS = 50
const DELETE_TIMEOUT_MS = 60_000

/**
 * Deletes the bytes that no image needs any more. The registry hands them out, each to one collector
 * at a time, and again until no writer can be left that might still write to the same key.
 */
export function createCollector(options: CollectorOptions): Collector {
  const { registry, stores, log } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<number> | undefined
  let closed = false
  let again = false

  const schedule = (ms: number): void => {
    clearTimeout(timer)
    if (!closed) timer = setTimeout(turn, ms)
    timer?.unref()
  }

  async function discard(garbage: GarbagePlacement): Promise<boolean> {
    const store = stores.get(garbage.store)
    if (store === undefined || !isWritable(store)) return false
    try {
      await store.delete(garbage.key, { signal: AbortSignal.timeout(DELETE_TIMEOUT_MS) })
      await registry.garbageDeleted(garbage.id, garbage.claim)
      return true
    } catch (err) {
      log.warn({ err, store: garbage.store, key: garbage.key }, 'garbage could not be deleted')
      return false
    }
  }

  async function round(): Promise<number> {
    const names = stores.names().filter((name) => {
      const store = stores.get(name)
      return store !== undefined && isWritable(store)
    })
    if (names.length === 0) return 0
    let deleted = 0
    for (let more = true; more && !closed; ) {
      const garbage = await registry.claimGarbage(names, BATCH)
      for (const placement of garbage) if (await discard(placement)) deleted++
      more = garbage.length === BATCH
    }
    if (deleted > 0) log.debug({ deleted }, 'garbage deleted')
    return deleted
  }

  const collect = (): Promise<number> => {
    running ??= round().finally(() => {
      running = undefined
    })
    return running
  }

  async function turn(): Promise<void> {
    again = false
    try {
      await collect()
    } catch (err) {
      if (!closed) log.warn({ err }, 'garbage could not be collected')
    }
    schedule(again ? NUDGE_MS : options.intervalMs * (0.75 + Math.random() / 2))
  }

  schedule(options.intervalMs)
  return {
    nudge() {
      again = true
      if (running === undefined) schedule(NUDGE_MS)
    },
    collect,
    async close() {
      closed = true
      clearTimeout(timer)
      await running?.catch(() => 0)
    }
  }
}
