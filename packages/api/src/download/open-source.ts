import { type ImageData, type Placement, TankError } from '@tank/model'
import { type ByteRange, type ImageSource, isStoreError, type Stores } from '@tank/store'
import type { FastifyBaseLogger } from 'fastify'

export interface OpenSourceOptions {
  readonly stores: Stores
  readonly data: ImageData
  readonly range: ByteRange | undefined
  /** Stores to try before the others (B10). */
  readonly prefer: readonly string[]
  readonly signal: AbortSignal
  readonly log: FastifyBaseLogger
}

/** Preferred stores first, then by weight; the registry's order (the oldest first) decides ties. */
function inOrder(stores: Stores, placements: readonly Placement[], prefer: readonly string[]) {
  const rank = (placement: Placement): number => {
    const at = prefer.indexOf(placement.store)
    return at === -1 ? prefer.length : at
  }
  const weight = (placement: Placement): number => stores.entry(placement.store)?.weight ?? 0
  return [...placements].sort((a, b) => rank(a) - rank(b) || weight(b) - weight(a))
}

/**
 * Opens the bytes at the first placement that can give them. Throws DATA_UNAVAILABLE when none can;
 * that an active image has lost its bytes is an alarm in the log.
 */
export async function openSource(options: OpenSourceOptions): Promise<ImageSource> {
  const { stores, data, range, signal, log } = options
  let last: unknown
  for (const placement of inOrder(stores, data.placements, options.prefer)) {
    const store = stores.get(placement.store)
    const about = { imageId: data.id, store: placement.store, key: placement.key }
    if (store === undefined) {
      log.warn(about, 'the image lies in a store that is not configured')
      continue
    }
    try {
      const source = await store.get(placement.key, { range, signal })
      if (source.size !== undefined && source.size !== data.blob?.size) {
        source.body.destroy()
        log.error({ ...about, size: source.size }, 'the data has the wrong size')
        continue
      }
      return source
    } catch (err) {
      if (signal.aborted) throw err
      last = err
      if (isStoreError(err, 'NOT_FOUND'))
        log.error({ ...about, err }, 'data of an active image is gone')
      else log.warn({ ...about, err }, 'a store could not send the image')
    }
  }
  throw new TankError('DATA_UNAVAILABLE', 'The image data cannot be read now; try again later', {
    cause: last
  })
}
