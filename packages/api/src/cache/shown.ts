import { TankError } from '@tank/model'
import type { CachedFile } from './cache-folder.ts'
import type { CacheParts } from './open-cache.ts'

const seconds = (time: Date | undefined) => (time === undefined ? 0 : time.getTime() / 1000)

/** An image in the cache as both versions of the Image API show it. */
export function shownFile({ id, hits, accessed, modified, size }: CachedFile) {
  return {
    image_id: id,
    hits,
    last_accessed: seconds(accessed),
    last_modified: seconds(modified),
    size
  }
}

/** The cache of this node. Throws NOT_FOUND when it keeps none. */
export function demandCache({ cache }: { readonly cache: CacheParts | undefined }): CacheParts {
  if (cache !== undefined) return cache
  throw new TankError('NOT_FOUND', 'This service keeps no cache of images')
}
