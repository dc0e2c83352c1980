import type { CachedFile, CacheFolder } from './cache-folder.ts'

/** What left the cache. */
export interface Pruned {
  readonly files: number
  /** bytes */
  readonly bytes: number
}

const lastUse = ({ accessed, modified }: CachedFile): number =>
  Math.max(accessed?.getTime() ?? 0, modified.getTime())

/**
 * Removes the least recently used images until all that is there and on its way fits into
 * `maxSize`; `fits` is false when what is on its way is too large by itself.
 */
export async function makeRoom(
  folder: CacheFolder,
  maxSize: number
): Promise<Pruned & { readonly fits: boolean }> {
  const images = await folder.images()
  let total = images.reduce((sum, { size }) => sum + size, await folder.reserved())
  let files = 0
  let bytes = 0
  images.sort((a, b) => lastUse(a) - lastUse(b))
  for (const { id, size } of images) {
    if (total <= maxSize) break
    await folder.remove(id)
    total -= size
    files++
    bytes += size
  }
  return { files, bytes, fits: total <= maxSize }
}
