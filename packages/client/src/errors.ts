import type { TankErrorCode } from '@tank/model'
import { isErrorCode } from './problems.ts'
import type { Answer, TransportError } from './transport.ts'

/** Codes of `TankClientError` that the client itself gives. */
export type ClientOwnErrorCode =
  /** No connection; the server never saw the request. */
  | 'UNREACHABLE'
  /** The server's certificate is for another name, has expired, or nobody known has signed it. */
  | 'CERTIFICATE_REFUSED'
  /** The connection broke before the answer was complete. */
  | 'CONNECTION_CLOSED'
  /** Nothing moved for as long as the timeouts allow. */
  | 'TIMEOUT'
  /** An answer that no Image API v2 server gives. */
  | 'BAD_ANSWER'
  | 'CONFLICT'
  | 'GONE'
  | 'UNAVAILABLE'
  /** The server does not serve this version of the API at this address. */
  | 'MULTIPLE_CHOICES'
  /** The answer leads to another place that it does not name, or that must not be followed. */
  | 'INVALID_REDIRECT'
  | 'TOO_MANY_REDIRECTS'
  /** A file with a certificate or key cannot be read, or one of the two was not given. */
  | 'TLS_FILES'
  /** The image has no bytes yet. */
  | 'NO_DATA'
  /** The server names no digest that downloaded bytes could be checked with. */
  | 'NO_DIGEST'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  /** Options or variables that do not fit together, or some that are missing. */
  | 'MISCONFIGURED'
  /** The catalogue of the identity service names no image service. */
  | 'NO_ENDPOINT'
  /** The catalogue names several. */
  | 'AMBIGUOUS_ENDPOINT'
  /** Several images bear the name. */
  | 'AMBIGUOUS_NAME'
  /** The server could not bring the data of an image in, and says why. */
  | 'IMPORT_FAILED'
  /** The stream or file that was to be uploaded failed. */
  | 'SOURCE_FAILED'
  /** The stream or file that was to be written failed. */
  | 'TARGET_FAILED'

/** Codes of `TankClientError`: those of Tank's problem documents, and the client's own. */
export type TankClientErrorCode = TankErrorCode | ClientOwnErrorCode

export interface TankClientErrorOptions extends ErrorOptions {
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly retryAfter?: number | undefined
}

/** A failed call: test `code`; show `message` to people, `requestId` to operators. */
export class TankClientError extends Error {
  override readonly name = 'TankClientError'
  /** What happened, for programs. */
  readonly code: TankClientErrorCode
  /** HTTP status, undefined when there was no answer. */
  readonly status: number | undefined
  /** What the log of the server knows the request by. */
  readonly requestId: string | undefined
  /** Seconds after which the server wants to be asked again, where it says so. */
  readonly retryAfter: number | undefined

  constructor(code: TankClientErrorCode, message: string, options: TankClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.requestId = options.requestId
    this.retryAfter = options.retryAfter
  }
}

/** Narrows to a `TankClientError`, of one code when that is given. */
export function isTankClientError(
  error: unknown,
  code?: TankClientErrorCode
): error is TankClientError {
  return error instanceof TankClientError && (code === undefined || error.code === code)
}

const STATUS_CODES: Readonly<Record<number, TankClientErrorCode>> = {
  300: 'MULTIPLE_CHOICES',
  400: 'INVALID_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  410: 'GONE',
  412: 'VERSION_CONFLICT',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  416: 'RANGE_NOT_SATISFIABLE',
  429: 'UNAVAILABLE',
  431: 'HEADER_TOO_LARGE',
  500: 'INTERNAL',
  501: 'METHOD_UNKNOWN',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE'
}

/**
 * Statuses of a server that says it does not serve now, and may a little later. Only with 429 it is
 * certain that nothing was carried out: a 503 may come of something behind it that fell silent.
 */
export function isNotNow(status: number): boolean {
  return status === 429 || status === 503
}

/** The error that an unwelcome answer stands for, in whatever form the server told it. */
export function answerToError(answer: Answer): TankClientError {
  const { status } = answer
  const said = readError(answer)
  const code = said.code ?? STATUS_CODES[status] ?? (status >= 500 ? 'INTERNAL' : 'BAD_ANSWER')
  const message = said.message === '' ? `the server answered ${status}` : said.message
  const header =
    answer.headers['x-openstack-request-id'] ??
    answer.headers['x-tank-request-id'] ??
    answer.headers['x-request-id']
  const requestId = said.requestId ?? (Array.isArray(header) ? header[0] : header)
  const retryAfter = readRetryAfter(answer.headers['retry-after'])
  return new TankClientError(code, message, { status, requestId, retryAfter })
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function readRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '') return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isNaN(seconds) ? undefined : Math.max(seconds, 0)
}

const TRANSPORT_CODES: Readonly<Record<TransportError['reason'], TankClientErrorCode>> = {
  unreachable: 'UNREACHABLE',
  certificate: 'CERTIFICATE_REFUSED',
  closed: 'CONNECTION_CLOSED',
  timeout: 'TIMEOUT',
  invalid: 'INVALID_REQUEST'
}

export function transportToError(error: TransportError): TankClientError {
  return new TankClientError(TRANSPORT_CODES[error.reason], error.message, { cause: error })
}

interface Said {
  readonly message: string
  readonly code?: TankErrorCode | undefined
  readonly requestId?: string | undefined
}

function readError(answer: Answer): Said {
  const type = String(answer.headers['content-type'] ?? '')
  const text = answer.body.subarray(0, 65_536).toString('utf8')
  if (type.includes('json')) {
    try {
      return readJson(JSON.parse(text))
    } catch {
      return { message: tidy(text) }
    }
  }
  return { message: tidy(type.includes('html') ? withoutHead(text) : withoutStatusLine(text)) }
}

/** Problem documents, `{error: {message}}`, `{message}` and `{anything: {message}}`. */
function readJson(body: unknown): Said {
  if (!isRecord(body)) return { message: typeof body === 'string' ? tidy(body) : '' }
  const { code, detail, title, requestId } = body
  if (typeof detail === 'string' || isErrorCode(code)) {
    return {
      message: tidy(firstText(detail, title)),
      code: isErrorCode(code) ? code : undefined,
      requestId: typeof requestId === 'string' ? requestId : undefined
    }
  }
  for (const part of [body.error, body, ...Object.values(body)]) {
    if (!isRecord(part)) continue
    const message = tidy(firstText(part.message, part.detail, part.title))
    if (message !== '') return { message }
  }
  return { message: '' }
}

function firstText(...candidates: unknown[]): string {
  for (const candidate of candidates) if (typeof candidate === 'string') return candidate
  return ''
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function withoutHead(html: string): string {
  return html.replace(/<(head|title|style|script)\b[\s\S]*?<\/\1\s*>/gi, ' ')
}

function withoutStatusLine(text: string): string {
  const rest = text.replace(/^\d{3} [^\n]*\n\s*/, '')
  return rest.trim() === '' ? text : rest
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: ' ',
  amp: '&'
}

function decodeEntity(entity: string, name: string): string {
  const digits = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name)
  if (digits === null) return ENTITIES[name.toLowerCase()] ?? entity
  const point = digits[1] === undefined ? Number(digits[2]) : Number.parseInt(digits[1], 16)
  return point <= 0x10ffff ? String.fromCodePoint(point) : entity
}

/** One line of text for people: no tags, no control characters, not endless. */
function tidy(text: string): string {
  const plain = text
    .replace(/<\/?[a-z][^<>]*>/gi, ' ')
    .replace(/&([a-z0-9#]{2,8});/gi, decodeEntity)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
  return plain.length > 1_000 ? `${plain.slice(0, 1_000)}…` : plain
}
