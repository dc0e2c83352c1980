import {
  type CallOptions,
  type ImageHttp,
  REMOVAL,
  readList,
  readObject,
  toRecord
} from './image-http.ts'

/** An image in the cache of a server. */
export interface CachedImage {
  readonly image_id: string
  readonly hits: number
  /** bytes */
  readonly size: number
  /** seconds since 1970, 0 for never */
  readonly last_accessed: number
  /** seconds since 1970 */
  readonly last_modified: number
}

/** What a cache has and is to get. */
export interface CacheContent {
  readonly cached: readonly CachedImage[]
  /** Ids of the images that are to be fetched, the first one next. */
  readonly queued: readonly string[]
}

/** Cache of the server that answers; for administrators. */
export interface Cache {
  list(options?: CallOptions): Promise<CacheContent>
  /** Has an image fetched into the cache. */
  queue(imageId: string, options?: CallOptions): Promise<void>
  /** Takes an image out of the cache and out of the queue. */
  remove(imageId: string, options?: CallOptions): Promise<void>
  /** Empties the cache, the queue, or both. */
  clear(target?: 'cache' | 'queue' | 'both', options?: CallOptions): Promise<void>
  /** URLs of the servers whose cache holds the image. */
  nodes(imageId: string, options?: CallOptions): Promise<string[]>
  /** Drops entries that are invalid or have stalled. */
  clean(options?: CallOptions): Promise<void>
  /** Drops what has not been used for longest, down to the size that is configured. */
  prune(options?: CallOptions): Promise<{ readonly files: number; readonly bytes: number }>
}

export function createCache(http: ImageHttp): Cache {
  const entry = (imageId: string) => `/v2/cache/${encodeURIComponent(imageId)}`
  return {
    async list(options) {
      const path = '/v2/cache'
      const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
      const cached = readList(answer, 'cached_images').map(toCached)
      return { cached, queued: readList(answer, 'queued_images').map(String) }
    },
    async queue(imageId, options) {
      await http.call({ method: 'PUT', path: entry(imageId), repeat: 'always', ...options })
    },
    async remove(imageId, options) {
      const path = entry(imageId)
      await http.call({ method: 'DELETE', path, ...REMOVAL, ...options })
    },
    async clear(target = 'both', options = {}) {
      const headers = target === 'both' ? {} : { 'x-image-cache-clear-target': target }
      await http.call({
        method: 'DELETE',
        path: '/v2/cache',
        repeat: 'always',
        headers,
        ...options
      })
    },
    async nodes(imageId, options) {
      const path = `/v2/cache/nodes/${encodeURIComponent(imageId)}`
      const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
      return readList(answer).map(String)
    },
    async clean(options) {
      await http.call({ method: 'POST', path: '/v2/cache/clean', repeat: 'always', ...options })
    },
    async prune(options) {
      const path = '/v2/cache/prune'
      const answer = readObject(
        await http.call({ method: 'POST', path, repeat: 'unsent', ...options })
      )
      return {
        files: Number(answer.total_files_pruned),
        bytes: Number(answer.total_bytes_pruned)
      }
    }
  }
}

function toCached(value: unknown): CachedImage {
  const record = toRecord(value, 'image_id', 'cached image')
  const { image_id, hits, size, last_accessed, last_modified } = record
  return {
    image_id: String(image_id),
    hits: Number(hits),
    size: Number(size),
    last_accessed: Number(last_accessed),
    last_modified: Number(last_modified)
  }
}
