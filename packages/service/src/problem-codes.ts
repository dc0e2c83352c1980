import type { TankErrorCode } from '@tank/model'

/** The one place where an error code meets an HTTP status and a title. */
const PROBLEMS: Readonly<Record<TankErrorCode, readonly [status: number, title: string]>> = {
  INVALID_REQUEST: [400, 'Bad Request'],
  INVALID_QUERY: [400, 'Bad Request'],
  UNAUTHENTICATED: [401, 'Unauthorized'],
  FORBIDDEN: [403, 'Forbidden'],
  IMAGE_PROTECTED: [403, 'Forbidden'],
  METADEF_PROTECTED: [403, 'Forbidden'],
  NOT_FOUND: [404, 'Not Found'],
  IMAGE_NOT_FOUND: [404, 'Not Found'],
  MEMBER_NOT_FOUND: [404, 'Not Found'],
  TAG_NOT_FOUND: [404, 'Not Found'],
  OPERATION_NOT_FOUND: [404, 'Not Found'],
  TOKEN_NOT_FOUND: [404, 'Not Found'],
  METADEF_NOT_FOUND: [404, 'Not Found'],
  METHOD_NOT_ALLOWED: [405, 'Method Not Allowed'],
  REQUEST_TIMEOUT: [408, 'Request Timeout'],
  IMAGE_EXISTS: [409, 'Conflict'],
  MEMBER_EXISTS: [409, 'Conflict'],
  TOKEN_EXISTS: [409, 'Conflict'],
  METADEF_EXISTS: [409, 'Conflict'],
  PROPERTY_CONFLICT: [409, 'Conflict'],
  IMAGE_STATE: [409, 'Conflict'],
  IMAGE_BUSY: [409, 'Conflict'],
  OPERATION_GONE: [410, 'Gone'],
  IMAGE_GONE: [410, 'Gone'],
  STORE_READ_ONLY: [410, 'Gone'],
  VERSION_CONFLICT: [412, 'Precondition Failed'],
  LIMIT_EXCEEDED: [413, 'Request Entity Too Large'],
  QUOTA_EXCEEDED: [413, 'Request Entity Too Large'],
  TOO_LARGE: [413, 'Request Entity Too Large'],
  STORE_FULL: [413, 'Request Entity Too Large'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Unsupported Media Type'],
  IMAGE_REFUSED: [415, 'Unsupported Media Type'],
  RANGE_NOT_SATISFIABLE: [416, 'Requested Range Not Satisfiable'],
  HEADER_TOO_LARGE: [431, 'Request Header Fields Too Large'],
  INTERNAL: [500, 'Internal Server Error'],
  METHOD_UNKNOWN: [501, 'Not Implemented'],
  DATA_UNAVAILABLE: [503, 'Service Unavailable'],
  REGISTRY_UNAVAILABLE: [503, 'Service Unavailable'],
  IDENTITY_UNAVAILABLE: [503, 'Service Unavailable'],
  SHUTTING_DOWN: [503, 'Service Unavailable']
}

/** HTTP status of an error code. */
export function problemStatus(code: TankErrorCode): number {
  return PROBLEMS[code][0]
}

/** Title of an error code: the reason phrase of its status. */
export function problemTitle(code: TankErrorCode): string {
  return PROBLEMS[code][1]
}
