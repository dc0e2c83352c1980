import type { CacheRequest } from '../cache/image-cache.ts'
import type { ApiContext } from '../context.ts'
import { BlobReader } from './blob-reader.ts'
import type { DataReader } from './send-source.ts'

/**
 * Settles when the data can be sent, from the cache or from a store. It was decided before that the
 * caller gets it (K9).
 */
export async function openData(
  context: Pick<ApiContext, 'cache' | 'reading'>,
  request: CacheRequest
): Promise<DataReader> {
  const cached = await context.cache?.images.open(request)
  if (cached !== undefined) return cached
  const reader = new BlobReader(context.reading, request)
  await reader.open()
  return reader
}
