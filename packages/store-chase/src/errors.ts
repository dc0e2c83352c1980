import { isStoreError, StoreError, type StoreErrorCode } from '@tank/store'

const connectionMeanings: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at the server’s address',
  ECONNRESET: 'the server closed the connection',
  EPIPE: 'the server closed the connection',
  UND_ERR_SOCKET: 'the server closed the connection',
  ENOTFOUND: 'the server’s name has no address',
  EAI_AGAIN: 'the server’s name cannot be looked up now',
  EHOSTUNREACH: 'there is no way to the server',
  ENETUNREACH: 'there is no way to the server',
  ETIMEDOUT: 'the server does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'the server does not take connections',
  UND_ERR_HEADERS_TIMEOUT: 'the server does not answer',
  UND_ERR_BODY_TIMEOUT: 'the server stopped sending',
  UND_ERR_DESTROYED: 'the store is closed',
  UND_ERR_CLOSED: 'the store is closed'
}

/** Errors of TLS: waiting does not mend them. */
const DISTRUST = /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/

/** What a failure below HTTP means. */
export function connectionError(cause: unknown): StoreError {
  if (isStoreError(cause)) return cause
  const code = errorCode(cause)
  if (DISTRUST.test(code)) {
    const hint = 'if its authority is your own, name it in caFile'
    return new StoreError('DENIED', `the server’s certificate is not believed (${code}): ${hint}`, {
      cause
    })
  }
  const meaning = connectionMeanings[code] ?? 'the connection to the server failed'
  return new StoreError('UNAVAILABLE', meaning, { cause })
}

function errorCode(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException
    if (typeof code === 'string') return code
  }
  return ''
}

/** Whether a failure may be mended by trying again; a text says so of an answer. */
export function isAway(error: unknown): boolean {
  return isStoreError(error, 'UNAVAILABLE') && errorCode(error) !== 'UND_ERR_DESTROYED'
}

/** The server's words, kept as the cause: for the operator's log, never for the client. */
class ServerAnswer extends Error {
  override readonly name = 'ServerAnswer'
  readonly status: number

  constructor(status: number, text: string) {
    super(`${status} ${plain(text)}`.trim())
    this.status = status
  }
}

/** HTML and line breaks say nothing in a log. */
function plain(text: string): string {
  return text
    .replace(/<[^>]*>/g, ' ')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/ +/g, ' ')
    .trim()
    .slice(0, 300)
}

/** What an answer that is no success means; `what` says what was asked, as in "to read an object". */
export function answerError(status: number, text: string, what: string): StoreError {
  const cause = new ServerAnswer(status, text)
  const [code, message] = meaning(status, text, what)
  return new StoreError(code, message, { cause })
}

function meaning(status: number, text: string, what: string): readonly [StoreErrorCode, string] {
  const refused = `the server refuses ${what}`
  if (status === 401) return ['DENIED', `${refused}: it does not accept the token (401)`]
  if (status === 403) return ['DENIED', `${refused}: the user may not do that (403)`]
  if (status === 404) return ['NOT_FOUND', 'there is no image at this key']
  if (status === 412) return ['EXISTS', 'there is already an image at this key']
  if (status === 416) return ['BAD_RANGE', 'the range reaches past the end of the image']
  if (status === 507) return ['FULL', 'the server has no room (507)']
  if (status === 413) {
    return /quota/i.test(text)
      ? ['FULL', 'the quota of the container or the account is used up (413)']
      : ['TOO_LARGE', 'the server takes no object of this size (413)']
  }
  if (status === 422)
    return ['FAILED', 'the bytes that the server received are not those sent (422)']
  if (isTransient(status)) return ['UNAVAILABLE', `the server cannot do ${what} now (${status})`]
  if (status >= 300 && status < 400) {
    return ['FAILED', `the server redirects ${what} (${status}): use the address it redirects to`]
  }
  return ['FAILED', `${refused} (${status})`]
}

/** Answers that mean "later". 498 is what Swift says when it limits the rate. */
export function isTransient(status: number): boolean {
  return [408, 429, 498, 500, 502, 503, 504].includes(status)
}
