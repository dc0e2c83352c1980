export type StoreErrorCode =
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'BAD_LOCATION'
  | 'BAD_RANGE'
  | 'SIZE_MISMATCH'
  | 'TOO_LARGE'
  | 'FULL'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'UNAVAILABLE'
  | 'FAILED'

// A registered symbol, not instanceof: a store package may bring its own copy of this one.
const brand = Symbol.for('tank.store-error')

/** The only error of a store but an abort: `code` says what happened, `cause` why. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly [brand] = true

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function isStoreError(error: unknown, code?: StoreErrorCode): error is StoreError {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false
  return code === undefined || (error as StoreError).code === code
}
