import { isStoreError, StoreError, type StoreErrorCode } from '@tank/store'

type Meaning = readonly [StoreErrorCode, string]

const REGION = 'the bucket lies in another region: correct `region`'
const TOKEN = 'the session token is not valid any more: get new temporary credentials'
const BUSY = 'the server is overloaded'

const meanings: Readonly<Record<string, Meaning>> = {
  NoSuchKey: ['NOT_FOUND', 'there is no image at this key'],
  NoSuchUpload: ['NOT_FOUND', 'the upload is gone'],
  NoSuchBucket: ['DENIED', 'the bucket does not exist: create it, or correct `bucket`'],
  InvalidBucketName: ['DENIED', 'this cannot be the name of a bucket: correct `bucket`'],
  InvalidAccessKeyId: ['DENIED', 'the server does not know the access key: correct `accessKeyId`'],
  SignatureDoesNotMatch: [
    'DENIED',
    'the server refuses the signature: correct `secretAccessKey` (or `region`)'
  ],
  AccessDenied: [
    'DENIED',
    'the server refuses access: allow the access key to get, put, delete and list objects and multipart uploads of the bucket'
  ],
  RequestTimeTooSkewed: ['DENIED', 'the clocks differ: set the clock of this machine (NTP)'],
  ExpiredToken: ['DENIED', TOKEN],
  TokenRefreshRequired: ['DENIED', TOKEN],
  InvalidToken: ['DENIED', TOKEN],
  PermanentRedirect: ['DENIED', REGION],
  TemporaryRedirect: ['DENIED', REGION],
  AuthorizationHeaderMalformed: ['DENIED', REGION],
  IllegalLocationConstraintException: ['DENIED', REGION],
  CredentialsProviderError: [
    'DENIED',
    'there are no credentials: set `accessKeyId` and `secretAccessKey`, or give this process a role'
  ],
  InvalidRange: ['BAD_RANGE', 'the range reaches past the end of the image'],
  PreconditionFailed: ['EXISTS', 'there is already an image at this key'],
  ConditionalRequestConflict: ['EXISTS', 'another put of this key runs'],
  EntityTooLarge: ['TOO_LARGE', 'the server takes no image of this size'],
  QuotaExceeded: ['FULL', 'the quota of the bucket or its owner is used up'],
  XMinioStorageFull: ['FULL', 'the server is full'],
  InsufficientStorage: ['FULL', 'the server is full'],
  InsufficientCapacity: ['FULL', 'the server is full'],
  NotImplemented: [
    'UNSUPPORTED',
    'the server lacks an operation that the store needs; if it is `If-None-Match`, set `exclusive: false`'
  ],
  InvalidObjectState: ['UNAVAILABLE', 'the image is archived and must be restored first'],
  BadDigest: ['FAILED', 'the bytes changed on their way to the server'],
  XAmzContentSHA256Mismatch: ['FAILED', 'the bytes changed on their way to the server'],
  SlowDown: ['UNAVAILABLE', BUSY],
  ServiceUnavailable: ['UNAVAILABLE', BUSY],
  TimeoutError: ['UNAVAILABLE', 'the server does not answer in time']
}

const byStatus: Readonly<Record<number, Meaning>> = {
  301: ['DENIED', REGION],
  307: ['DENIED', REGION],
  401: ['DENIED', 'the server refuses the credentials'],
  403: meanings.AccessDenied as Meaning,
  404: meanings.NoSuchKey as Meaning,
  409: ['EXISTS', 'another operation on this key runs'],
  412: meanings.PreconditionFailed as Meaning,
  416: meanings.InvalidRange as Meaning,
  429: ['UNAVAILABLE', BUSY],
  501: meanings.NotImplemented as Meaning,
  507: ['FULL', 'the server is full']
}

const UNREACHABLE = /^(ECONN|EPIPE|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EADDR|UND_ERR|HPE_)/
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/

/** What is of use of an error of the SDK. */
export interface Failure {
  readonly code: string | undefined
  readonly status: number | undefined
  readonly region: string | undefined
  readonly retryAfterMs: number | undefined
}

interface SdkError extends Error {
  readonly code?: unknown
  readonly Code?: unknown
  readonly Region?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

export function failureOf(error: unknown): Failure {
  const { name, code, Code, Region, $metadata, $response } = (error ?? {}) as SdkError
  const headers = $response?.headers ?? {}
  const region = Region ?? headers['x-amz-bucket-region']
  const retryAfter = Number(headers['retry-after'])
  return {
    code: [Code, code, name].find((each) => typeof each === 'string' && each !== '') as
      | string
      | undefined,
    status: $metadata?.httpStatusCode,
    region: typeof region === 'string' && /^[a-z0-9-]{1,32}$/.test(region) ? region : undefined,
    retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : undefined
  }
}

/** How a failed request may end well when it is made again. */
export type RetryKind = 'busy' | 'broken' | 'skewed'

export function retryKind(error: unknown): RetryKind | undefined {
  if (isStoreError(error)) return undefined
  const { code = '', status = 0 } = failureOf(error)
  // The SDK has read the server's clock from this answer, and signs by it from now on.
  if (code === 'RequestTimeTooSkewed') return 'skewed'
  if (meanings[code]?.[0] === 'FULL' || status === 501 || status === 507) return undefined
  if (status === 503 || status === 429 || code === 'SlowDown') return 'busy'
  if (status >= 500 || BROKEN.has(code) || UNREACHABLE.test(code)) return 'broken'
  return undefined
}

const BROKEN = new Set([
  'InternalError',
  'RequestTimeout',
  'TimeoutError',
  'BadDigest',
  'XAmzContentSHA256Mismatch'
])

/** What a failure means to the user of a store. `secrets` appear nowhere in it (S-02). */
export function toStoreError(error: unknown, secrets: readonly string[] = []): StoreError {
  if (isStoreError(error)) return error
  const { code, status, region } = failureOf(error)
  const [meaning, sentence] = meaningOf(code, status)
  const where = region === undefined || sentence !== REGION ? '' : ` (it is in ${region})`
  const facts = [code, status].filter((each) => each !== undefined).join(' ')
  const cause = harmless(error, secrets)
  return new StoreError(meaning, `${sentence}${where} [${clean(facts, secrets)}]`, { cause })
}

function meaningOf(code: string | undefined, status: number | undefined): Meaning {
  const known = meanings[code ?? ''] ?? byStatus[status ?? 0]
  if (known !== undefined) return known
  if (CERTIFICATE.test(code ?? '')) {
    return ['DENIED', 'no trusted TLS connection to `endpoint`: its certificate is not accepted']
  }
  if (UNREACHABLE.test(code ?? '')) return ['UNAVAILABLE', 'the server cannot be reached']
  if (BROKEN.has(code ?? '') || (status ?? 0) >= 500) return ['UNAVAILABLE', 'the server failed']
  return ['FAILED', 'the server refuses the request']
}

/**
 * The SDK's errors carry whatever the server said, which may repeat signed headers, and the whole
 * answer with its request. Of all that only the message goes on.
 */
function harmless(error: unknown, secrets: readonly string[]): unknown {
  if (!(error instanceof Error)) return undefined
  const { $metadata, name, message, stack } = error as SdkError
  const { code, status } = failureOf(error)
  const cause = new Error(clean(message, secrets))
  cause.name = clean(name, secrets)
  // The frames without the first line, which has the message in it.
  cause.stack = `${cause.name}: ${cause.message}\n${(stack ?? '')
    .split('\n    at ')
    .slice(1)
    .map((line) => `    at ${line}`)
    .join('\n')}`
  const shown = code === undefined ? undefined : clean(code, secrets)
  const requestId = requestIdOf($metadata?.requestId, secrets)
  return Object.assign(cause, { code: shown, ...(status && { status }), ...requestId })
}

/** Helps the server's operators to find the request; ids may be longer than what `clean` leaves. */
function requestIdOf(id: string | undefined, secrets: readonly string[]) {
  const isId = id !== undefined && /^[\w.:-]{1,128}$/.test(id)
  return isId && !secrets.some((secret) => id.includes(secret)) ? { requestId: id } : undefined
}

/** Takes away what is secret, or long enough to be a signature or a token. */
function clean(text: string, secrets: readonly string[]): string {
  let cleaned = text
  for (const secret of secrets) cleaned = cleaned.replaceAll(secret, '***')
  return cleaned.replace(/[A-Za-z0-9+/=_-]{40,}/g, '***').slice(0, 500)
}

export function notFound(cause?: unknown): StoreError {
  return new StoreError('NOT_FOUND', 'there is no image at this key', { cause })
}

export function taken(cause?: unknown): StoreError {
  return new StoreError('EXISTS', 'there is already an image at this key', { cause })
}

/** What the server called the failure, such as `AccessDenied`. */
export function causeCode(error: StoreError): unknown {
  return (error.cause as { readonly code?: unknown } | undefined)?.code
}
