import { type Problem, TankError, type TankErrorCode } from '@tank/model'
import type { Answer } from './transport.ts'

/** Codes that a registry may answer, with the status that stands for a code it does not know. */
const CODES: Readonly<Record<TankErrorCode, number>> = {
  INVALID_REQUEST: 400,
  INVALID_QUERY: 0,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  IMAGE_PROTECTED: 0,
  NOT_FOUND: 404,
  IMAGE_NOT_FOUND: 0,
  MEMBER_NOT_FOUND: 0,
  TAG_NOT_FOUND: 0,
  OPERATION_NOT_FOUND: 0,
  TOKEN_NOT_FOUND: 0,
  METHOD_NOT_ALLOWED: 405,
  METHOD_UNKNOWN: 501,
  IMAGE_EXISTS: 0,
  MEMBER_EXISTS: 0,
  TOKEN_EXISTS: 0,
  METADEF_EXISTS: 0,
  METADEF_NOT_FOUND: 0,
  METADEF_PROTECTED: 0,
  PROPERTY_CONFLICT: 0,
  IMAGE_STATE: 409,
  IMAGE_BUSY: 0,
  VERSION_CONFLICT: 412,
  OPERATION_GONE: 410,
  IMAGE_GONE: 0,
  STORE_READ_ONLY: 0,
  LIMIT_EXCEEDED: 0,
  QUOTA_EXCEEDED: 0,
  TOO_LARGE: 413,
  STORE_FULL: 0,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IMAGE_REFUSED: 0,
  RANGE_NOT_SATISFIABLE: 416,
  HEADER_TOO_LARGE: 431,
  REQUEST_TIMEOUT: 408,
  DATA_UNAVAILABLE: 0,
  REGISTRY_UNAVAILABLE: 503,
  IDENTITY_UNAVAILABLE: 0,
  SHUTTING_DOWN: 0,
  INTERNAL: 500
}

/** The error that an answer of the Registry API with status 400 or above stands for. */
export function problemToError(answer: Answer): TankError {
  const problem = parseProblem(answer)
  const code = isErrorCode(problem.code) ? problem.code : codeOfStatus(answer.status)
  const detail = problem.detail ?? problem.title ?? `the registry answered ${answer.status}`
  if (code === 'UNAUTHENTICATED') {
    // It is the API's own secret that was refused: nothing that its caller could mend.
    return new TankError('REGISTRY_UNAVAILABLE', `the registry refused its secret: ${detail}`)
  }
  return new TankError(code, detail)
}

/** True for a code of the model. */
export function isErrorCode(code: unknown): code is TankErrorCode {
  return typeof code === 'string' && Object.hasOwn(CODES, code)
}

function codeOfStatus(status: number): TankErrorCode {
  for (const [code, known] of Object.entries(CODES)) {
    if (known === status && isErrorCode(code)) return code
  }
  return status < 500 ? 'INVALID_REQUEST' : 'INTERNAL'
}

function parseProblem(answer: Answer): Partial<Problem> {
  if (!String(answer.headers['content-type'] ?? '').includes('json')) return {}
  try {
    const parsed: unknown = JSON.parse(answer.body.toString('utf8'))
    if (typeof parsed !== 'object' || parsed === null) return {}
    return keepTexts(parsed)
  } catch {
    return {}
  }
}

function keepTexts(problem: Partial<Problem>): Partial<Problem> {
  const { code, detail, title } = problem
  return {
    ...(typeof code === 'string' && { code }),
    ...(typeof detail === 'string' && { detail }),
    ...(typeof title === 'string' && { title })
  }
}
