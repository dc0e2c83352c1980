/** Codes of Tank's errors: the part of an error that callers test. */
export type TankErrorCode =
  | 'INVALID_REQUEST'
  | 'INVALID_QUERY'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'IMAGE_PROTECTED'
  | 'METADEF_PROTECTED'
  | 'NOT_FOUND'
  | 'IMAGE_NOT_FOUND'
  | 'MEMBER_NOT_FOUND'
  | 'TAG_NOT_FOUND'
  | 'OPERATION_NOT_FOUND'
  | 'TOKEN_NOT_FOUND'
  | 'METADEF_NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'METHOD_UNKNOWN'
  | 'IMAGE_EXISTS'
  | 'MEMBER_EXISTS'
  | 'TOKEN_EXISTS'
  | 'METADEF_EXISTS'
  | 'PROPERTY_CONFLICT'
  | 'IMAGE_STATE'
  | 'IMAGE_BUSY'
  | 'VERSION_CONFLICT'
  | 'OPERATION_GONE'
  | 'IMAGE_GONE'
  | 'STORE_READ_ONLY'
  | 'LIMIT_EXCEEDED'
  | 'QUOTA_EXCEEDED'
  | 'TOO_LARGE'
  | 'STORE_FULL'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'IMAGE_REFUSED'
  | 'RANGE_NOT_SATISFIABLE'
  | 'HEADER_TOO_LARGE'
  | 'REQUEST_TIMEOUT'
  | 'DATA_UNAVAILABLE'
  | 'REGISTRY_UNAVAILABLE'
  | 'IDENTITY_UNAVAILABLE'
  | 'SHUTTING_DOWN'
  | 'INTERNAL'

export interface TankErrorOptions extends ErrorOptions {
  /** Response headers that belong to this error, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An error with a meaning: `code` says which, `message` is a sentence that a user may read. */
export class TankError extends Error {
  override readonly name = 'TankError'
  readonly code: TankErrorCode
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(code: TankErrorCode, message: string, options: TankErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.headers = options.headers
  }
}

export function isTankError(error: unknown, code?: TankErrorCode): error is TankError {
  return error instanceof TankError && (code === undefined || error.code === code)
}
