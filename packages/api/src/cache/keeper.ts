import type { RegistryClient } from '@tank/client'
import { isTankError, type RegistryCaller } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import type { ImageCache } from './image-cache.ts'

export interface CacheKeeperOptions {
  readonly cache: ImageCache
  readonly registry: RegistryClient
  readonly checkMs: number
  readonly log: FastifyBaseLogger
}

/** What happens to the cache when nobody asks: the queue is worked off, what is gone is removed. */
export interface CacheKeeper {
  /** Settles when the folder is ready, or known not to be. */
  start(): Promise<void>
  /** Looks at the queue soon. */
  nudge(): void
  /** Removes what is stalled, and images that are gone. */
  clean(): Promise<void>
  close(): Promise<void>
}

/** What was queued is fetched after a moment, in which it can be looked at, added to, and taken back. */
const SOON_MS = 1000
const TURN_MS = 5000
/** An image that could not be fetched is tried again after so long. */
const RETRY_MS = 30_000
const ITSELF: RegistryCaller = { project: null, user: null, scope: 'all', requestId: 'cache' }

class Keeper implements CacheKeeper {
  readonly #options: CacheKeeperOptions
  readonly #notBefore = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isAsked = false
  #isClosed = false

  constructor(options: CacheKeeperOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    await this.#options.cache.prepare()
    this.#schedule(0)
  }

  nudge(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    if (this.#running === undefined) this.#schedule(SOON_MS)
  }

  async clean(): Promise<void> {
    await this.#options.cache.folder.sweep()
    await this.#removeGone()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    // ends what is being fetched
    await this.#options.cache.close()
    await this.#running?.catch(() => {})
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#turn(), ms).unref()
  }

  #turn(): void {
    this.#isAsked = false
    this.#running = this.#work()
      .catch((err) => {
        if (!this.#isClosed) this.#options.log.warn({ err }, 'the cache could not be kept in order')
      })
      .finally(() => {
        this.#running = undefined
        this.#schedule(this.#isAsked ? SOON_MS : TURN_MS * (0.75 + Math.random() / 2))
      })
  }

  async #work(): Promise<void> {
    const { cache, checkMs } = this.#options
    if (!(await cache.prepare())) return
    await cache.folder.sweep()
    if (await cache.folder.isDue(checkMs)) await this.#removeGone()
    for (const id of await cache.folder.queue.ids()) {
      if (this.#isClosed) return
      if ((this.#notBefore.get(id) ?? 0) <= performance.now()) await this.#prefetch(id)
    }
  }

  async #prefetch(id: string): Promise<void> {
    const { cache, log } = this.#options
    const data = await this.#dataOf(id)
    const why = data === undefined ? 'There is no such image.' : cache.refusal(data)
    if (data === undefined || why !== undefined) {
      log.info({ imageId: id, why }, 'an image left the queue of the cache')
      await cache.folder.queue.remove(id)
      return
    }
    const end = await cache.prefetch(data)
    if (end === 'failed') this.#notBefore.set(id, performance.now() + RETRY_MS)
    else {
      this.#notBefore.delete(id)
      await cache.folder.queue.remove(id)
    }
  }

  async #removeGone(): Promise<void> {
    const { cache } = this.#options
    for (const { id, sha256 } of await cache.folder.images()) {
      if (this.#isClosed) return
      const data = await this.#dataOf(id)
      if (data?.blob?.sha256 !== sha256) await cache.forget(id)
    }
  }

  async #dataOf(id: string) {
    try {
      return await this.#options.registry.getImageData(ITSELF, id)
    } catch (error) {
      if (isTankError(error, 'IMAGE_NOT_FOUND')) return undefined
      throw error
    }
  }
}

export function createCacheKeeper(options: CacheKeeperOptions): CacheKeeper {
  return new Keeper(options)
}
