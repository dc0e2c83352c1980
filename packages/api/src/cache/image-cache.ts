import type { ImageData } from '@tank/model'
import type { FastifyBaseLogger } from 'fastify'
import type { ReadContext, ReadRequest } from '../download/blob-reader.ts'
import type { DigestPool } from '../ingest/digests.ts'
import { type CachedFile, CacheFolder, type CacheKey, isStale } from './cache-folder.ts'
import type { CacheConfig } from './cache-section.ts'
import { CachedReader } from './cached-reader.ts'
import { isMissing } from './files.ts'
import { FillError, runFill } from './fill.ts'
import { completeFile, Flight, type FlightEnd, type ReadableFile } from './flight.ts'
import { makeRoom, type Pruned } from './room.ts'
import { aborted } from './send-file.ts'
import { watchFill } from './watch.ts'

export interface ImageCacheOptions {
  readonly config: CacheConfig
  readonly reading: ReadContext
  readonly digests: DigestPool
  readonly log: FastifyBaseLogger
}

/** Data of an image that is in use. */
export interface CacheRequest extends ReadRequest {
  readonly data: ImageData
}

/** A disk that failed is left alone for so long. */
const PAUSE_MS = 30_000

type Joined = { readonly file: ReadableFile; readonly isHit: boolean }

/**
 * Keeps the data of images that lie in remote stores on local disk, where the processes of this node
 * share it: of all who want an image one fills it, and the others read what it has so far. Whatever
 * is wrong with the cache, images come from their stores.
 */
export class ImageCache {
  readonly folder: CacheFolder
  readonly #options: ImageCacheOptions
  readonly #flights = new Map<string, Promise<Flight | undefined>>()
  readonly #fills = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #pausedUntil = 0

  constructor(options: ImageCacheOptions) {
    this.#options = options
    this.folder = new CacheFolder(options.config.dir)
  }

  /** Why an image is not cached, as a sentence for its administrator; undefined: it can be. */
  refusal({ status, blob, placements }: ImageData): string | undefined {
    const { config, reading } = this.#options
    if (status !== 'active' || blob === null) return 'Only the data of active images is cached.'
    if (blob.sha256 === null) return 'The image has no digest yet, and is not cached without one.'
    if (blob.size > config.maxSize) return 'The image is larger than the whole cache (maxSize).'
    const isRemote = (store: string) =>
      config.stores.length > 0
        ? config.stores.includes(store)
        : reading.stores.get(store)?.features.local !== true
    if (placements.length > 0 && placements.every(({ store }) => isRemote(store))) return undefined
    return 'The image lies in a store that is not cached (cache.stores).'
  }

  /** A reader of the cached data, or of data that is just being cached. Undefined: ask the stores. */
  async open(request: CacheRequest): Promise<CachedReader | undefined> {
    const { data } = request
    const key = this.#keyOf(data)
    if (key === undefined || this.#isPaused) return undefined
    const size = data.blob?.size ?? 0
    try {
      const joined =
        request.range === undefined ? await this.#join(key, data) : await this.#whole(key, size)
      if (joined === undefined) return undefined
      if (joined.isHit) await this.folder.countHit(key.id).catch((err) => this.#broken(err))
      const reader = new CachedReader(this.#options.reading, request, joined.file, size)
      return (await reader.open()) ? reader : undefined
    } catch (error) {
      if (request.signal.aborted) throw error
      this.#broken(error)
      return undefined
    }
  }

  /** Brings an image into the cache; settles when that is over. */
  async prefetch(data: ImageData): Promise<FlightEnd> {
    const key = this.#keyOf(data)
    if (key === undefined || this.#isPaused) return 'failed'
    const joined = await this.#join(key, data)
    if (joined === undefined) return 'failed'
    try {
      if (!(joined.file instanceof Flight)) return 'complete'
      return await Promise.race([joined.file.over, aborted(this.#stop.signal)])
    } finally {
      await joined.file.release()
    }
  }

  async list(): Promise<CachedFile[]> {
    const images = await this.folder.images()
    return images.sort((a, b) => a.id.localeCompare(b.id))
  }

  /** Removes an image that is gone; errors are logged. */
  async forget(id: string): Promise<void> {
    try {
      await this.remove(id)
    } catch (error) {
      this.#broken(error)
    }
  }

  /** Removes an image from cache and queue; false: it was in neither. */
  async remove(id: string): Promise<boolean> {
    const wasQueued = await this.folder.queue.remove(id)
    return (await this.folder.remove(id)) || wasQueued
  }

  /** Returns how many images left cache and queue. */
  async clear(what: { readonly cache: boolean; readonly queue: boolean }): Promise<number> {
    let count = 0
    const { folder } = this
    if (what.queue)
      for (const id of await folder.queue.ids()) if (await folder.queue.remove(id)) count++
    if (what.cache) for (const { id } of await folder.images()) if (await folder.remove(id)) count++
    return count
  }

  prune(): Promise<Pruned> {
    return makeRoom(this.folder, this.#options.config.maxSize)
  }

  /** Makes the folder when it is missing, and keeps to the size. False: it cannot be used now. */
  async prepare(): Promise<boolean> {
    if (this.#isPaused) return false
    try {
      await this.folder.prepare()
      await this.folder.dropOtherBoot()
      await this.prune()
      return true
    } catch (error) {
      this.#broken(error)
      return false
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the service stops'))
    await Promise.all(this.#fills)
  }

  get #isPaused(): boolean {
    return this.#stop.signal.aborted || performance.now() < this.#pausedUntil
  }

  #keyOf(data: ImageData): CacheKey | undefined {
    if (this.refusal(data) !== undefined) return undefined
    return { id: data.id, sha256: data.blob?.sha256 ?? '' }
  }

  async #whole(key: CacheKey, size: number): Promise<Joined | undefined> {
    const handle = await this.folder.openImage(key, size)
    return handle && { file: completeFile(handle, size), isHit: true }
  }

  async #join(key: CacheKey, data: ImageData): Promise<Joined | undefined> {
    const name = `${key.id}.${key.sha256}`
    const size = data.blob?.size ?? 0
    const whole = await this.#whole(key, size)
    if (whole !== undefined) return whole
    const known = this.#flights.get(name)
    const starting = known ?? this.#begin(key, data)
    if (known === undefined) {
      this.#flights.set(name, starting)
      this.#forgetFlight(name, starting)
    }
    const flight = await starting
    // it may have come to its end while this one waited
    if (flight === undefined || flight.users === 0) return this.#whole(key, size)
    return { file: flight.use(), isHit: known !== undefined }
  }

  #forgetFlight(name: string, starting: Promise<Flight | undefined>): void {
    const forget = () => {
      if (this.#flights.get(name) === starting) this.#flights.delete(name)
    }
    starting.then((flight) => {
      if (flight === undefined) forget()
      else void flight.over.then(forget)
    }, forget)
  }

  /** Follows whoever fills the image, or fills it. */
  async #begin(key: CacheKey, data: ImageData): Promise<Flight | undefined> {
    const size = data.blob?.size ?? 0
    const other = await this.#follow(key, size)
    if (other !== undefined) return other
    const part = await this.folder.createPart(size)
    const flight = new Flight(part.handle, size)
    try {
      const { fits } = await makeRoom(this.folder, this.#options.config.maxSize)
      const isOurs = fits && (await this.folder.claim(part, key))
      if (isOurs && (await this.folder.inodeOf(key)) === undefined) {
        this.#fill({ data, key, part, flight })
        return flight
      }
      await this.folder.discard(part, key)
      await flight.release()
      return fits ? await this.#follow(key, size) : undefined
    } catch (error) {
      await this.folder.discard(part, key).catch(() => {})
      await flight.release()
      throw error
    }
  }

  async #follow(key: CacheKey, size: number): Promise<Flight | undefined> {
    const handle = await this.folder.openFilling(key)
    if (handle === undefined) return undefined
    const file = await handle.stat()
    if (!isStale(file)) return watchFill(this.folder, key, handle, size)
    await handle.close()
    if ((await this.folder.inodeFilling(key)) === file.ino) await this.folder.dropFilling(key)
    return undefined
  }

  #fill(fill: Parameters<typeof runFill>[1]): void {
    const { reading, digests, log } = this.#options
    const context = { folder: this.folder, reading, digests, log, signal: this.#stop.signal }
    const about = { imageId: fill.key.id }
    const running = runFill(context, fill)
      .then((isKept) => {
        log.info(about, isKept ? 'an image was cached' : 'an image left the cache as it came')
      })
      .catch((err: unknown) => {
        if (this.#stop.signal.aborted) return
        if (err instanceof FillError && err.kind === 'wrong') {
          log.error({ ...about, err }, 'a store sent other bytes than the image has')
        } else if (err instanceof FillError && err.kind === 'origin') {
          log.warn({ ...about, err }, 'an image could not be cached')
        } else this.#broken(err)
      })
      .finally(() => {
        this.#fills.delete(running)
        return fill.flight.release().catch(() => {})
      })
    this.#fills.add(running)
  }

  #broken(err: unknown): void {
    if (isMissing(err)) {
      // somebody emptied the folder: the next fill makes it again
      this.#options.log.warn({ err }, 'something is missing in the cache')
      return
    }
    this.#pausedUntil = performance.now() + PAUSE_MS
    const { dir } = this.#options.config
    const message = 'the cache cannot be used: images come from their stores for a while'
    this.#options.log.error({ err, dir }, message)
  }
}
