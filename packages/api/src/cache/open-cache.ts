import type { RegistryClient } from '@tank/client'
import { ConfigError } from '@tank/service'
import type { CacheConfig } from './cache-section.ts'
import { ImageCache, type ImageCacheOptions } from './image-cache.ts'
import { type CacheKeeper, createCacheKeeper } from './keeper.ts'

/** The cache of this node, as one of its processes has it. */
export interface CacheParts {
  readonly images: ImageCache
  readonly keeper: CacheKeeper
}

/**
 * Makes the cache that the configuration asks for; undefined: it asks for none.
 *
 * @throws {ConfigError} when nobody said where it is to be
 */
export function openCache(
  config: CacheConfig | undefined,
  options: Omit<ImageCacheOptions, 'config'>,
  registry: RegistryClient
): CacheParts | undefined {
  if (config === undefined) return undefined
  if (config.dir === '') {
    throw new ConfigError(['/api/cache/dir: missing; name a folder on a local disk'])
  }
  const images = new ImageCache({ ...options, config })
  const { log } = options
  const checkMs = config.checkSeconds * 1000
  return { images, keeper: createCacheKeeper({ cache: images, registry, checkMs, log }) }
}
