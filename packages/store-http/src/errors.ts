import { isStoreError, StoreError } from '@tank/store'

/**
 * The one answer to everything that was learned from the network: were closed, filtered and denied
 * hosts told apart, a location would be a port scanner (S-17). What happened is the cause.
 */
export function unreadable(cause: unknown): StoreError {
  return new StoreError('UNAVAILABLE', 'the location cannot be read', { cause })
}

/** What may be said of an origin that was allowed to answer stays; all else becomes one error. */
export function coarse(error: unknown): StoreError {
  return isStoreError(error) && error.code !== 'BAD_LOCATION' ? error : unreadable(error)
}

export function notFound(status: number): StoreError {
  const cause = new Error(`the origin answered ${status}`)
  return new StoreError('NOT_FOUND', 'there is no image at this location', { cause })
}

export function badRange(): StoreError {
  return new StoreError('BAD_RANGE', 'the range reaches past the end of the image')
}

export function tooLarge(maxBytes: number): StoreError {
  return new StoreError('TOO_LARGE', `images of more than ${maxBytes} bytes are not read`)
}
