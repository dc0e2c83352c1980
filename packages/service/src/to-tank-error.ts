import { isTankError, TankError, type TankErrorCode } from '@tank/model'

interface ErrorLike {
  readonly code?: unknown
  readonly message?: unknown
  readonly statusCode?: unknown
  readonly validation?: unknown
}

const BY_FASTIFY_CODE: Readonly<Record<string, readonly [TankErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['TOO_LARGE', 'The request body is too large.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'The media type is not supported.'],
  FST_ERR_CTP_EMPTY_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'The media type is not supported.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'INVALID_REQUEST',
    'The body does not have the length that Content-Length declares.'
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['INVALID_REQUEST', 'The request body is empty.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['INVALID_REQUEST', 'The request body is not valid JSON.'],
  FST_ERR_BAD_URL: ['INVALID_REQUEST', 'The URL is not valid.'],
  FST_ERR_MAX_PARAM_LENGTH: ['NOT_FOUND', 'The resource could not be found.'],
  FST_ERR_NOT_FOUND: ['NOT_FOUND', 'The resource could not be found.']
}

const BY_STATUS: Readonly<Record<number, readonly [TankErrorCode, string]>> = {
  400: ['INVALID_REQUEST', 'The request is not valid.'],
  401: ['UNAUTHENTICATED', 'The request requires authentication.'],
  403: ['FORBIDDEN', 'The request is not allowed.'],
  404: ['NOT_FOUND', 'The resource could not be found.'],
  405: ['METHOD_NOT_ALLOWED', 'The method is not allowed for this resource.'],
  408: ['REQUEST_TIMEOUT', 'The request took too long.'],
  413: ['TOO_LARGE', 'The request body is too large.'],
  415: ['UNSUPPORTED_MEDIA_TYPE', 'The media type is not supported.'],
  431: ['HEADER_TOO_LARGE', 'The request headers are too large.']
}

/**
 * Makes a `TankError` of whatever was thrown. Errors of the framework become the code that they
 * mean; everything unknown is `INTERNAL` with the original as its cause.
 */
export function toTankError(error: unknown): TankError {
  if (isTankError(error)) return error
  if (typeof error === 'object' && error !== null) {
    const { code, message, statusCode, validation } = error as ErrorLike
    if (validation !== undefined && typeof message === 'string') {
      return new TankError('INVALID_REQUEST', message, { cause: error })
    }
    const known =
      (typeof code === 'string' ? BY_FASTIFY_CODE[code] : undefined) ??
      (typeof statusCode === 'number' ? BY_STATUS[statusCode] : undefined)
    // the framework's own texts may repeat input, so they stay in the log
    if (known !== undefined) return new TankError(known[0], known[1], { cause: error })
  }
  return new TankError('INTERNAL', 'internal error', { cause: error })
}
