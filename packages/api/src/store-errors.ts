import { TankError } from '@tank/model'
import { isStoreError } from '@tank/store'

/**
 * What a store's failure means for the user: the only place where store errors meet the API's errors.
 * Nothing of the store's own text goes out: it may name paths or buckets.
 */
export function fromStoreError(error: unknown): TankError {
  if (error instanceof TankError) return error
  if (!isStoreError(error)) {
    return new TankError('INTERNAL', 'The data could not be processed', { cause: error })
  }
  switch (error.code) {
    case 'TOO_LARGE':
      return new TankError('TOO_LARGE', 'The image is too large for the store', { cause: error })
    case 'FULL':
      return new TankError('STORE_FULL', 'The store has no room for the image', { cause: error })
    case 'DENIED':
    case 'UNAVAILABLE':
      return new TankError('DATA_UNAVAILABLE', 'The store cannot be used now; try again later', {
        cause: error
      })
    case 'UNSUPPORTED':
      return new TankError('STORE_READ_ONLY', 'The store does not take images', { cause: error })
    case 'SIZE_MISMATCH':
      return new TankError('INVALID_REQUEST', 'The body has another size than announced', {
        cause: error
      })
    default:
      return new TankError('INTERNAL', 'The store could not process the data', { cause: error })
  }
}
