import type { IncomingMessage } from 'node:http'
import { TankError } from '@tank/model'

export interface HeaderLimits {
  /** All header lines together, in bytes. */
  readonly bytes: number
  readonly count: number
}

const FORBIDDEN_IN_URL = /[^\x21-\x7e]|#/

function malformed(message: string): TankError {
  // the next bytes on such a connection may mean anything
  return new TankError('INVALID_REQUEST', message, { headers: { connection: 'close' } })
}

/** Refuses headers that two servers could read in two ways, which Node's parser lets through. */
export function checkHeaders(raw: IncomingMessage, limits: HeaderLimits): void {
  const lines = raw.rawHeaders
  let bytes = 0
  let hosts = 0
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? ''
    bytes += name.length + (lines[i + 1]?.length ?? 0) + 4
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (lines.length > limits.count * 2 || bytes > limits.bytes) {
    throw new TankError('HEADER_TOO_LARGE', 'The request has too many or too long headers.', {
      headers: { connection: 'close' }
    })
  }
  if (raw.httpVersion !== '1.1' && raw.httpVersion !== '1.0') {
    throw malformed('The HTTP version is not supported.')
  }
  if (hosts > 1 || (hosts === 0 && raw.httpVersion === '1.1')) {
    throw malformed('The request needs exactly one Host header.')
  }
  const encoding = raw.headers['transfer-encoding']
  if (encoding === undefined) return
  if (encoding.toLowerCase() !== 'chunked' || raw.httpVersion !== '1.1') {
    throw malformed('The transfer encoding is not supported.')
  }
  if (raw.headers['content-length'] !== undefined) {
    throw malformed('The request has both Content-Length and Transfer-Encoding.')
  }
}

function checkEncoding(part: string, what: string): void {
  if (!part.includes('%')) return
  let text: string
  try {
    text = decodeURIComponent(part)
  } catch (cause) {
    throw new TankError('INVALID_REQUEST', `The ${what} is not valid percent-encoded UTF-8.`, {
      cause
    })
  }
  if (text.includes('\0')) {
    throw new TankError('INVALID_REQUEST', `The ${what} contains a NUL character.`)
  }
}

/** Refuses URLs that are not plain, valid percent-encoded UTF-8. */
export function checkUrl(url: string, maxQueryLength: number): void {
  if (FORBIDDEN_IN_URL.test(url) || (url[0] !== '/' && url !== '*')) {
    throw malformed('The URL is not valid.')
  }
  const mark = url.indexOf('?')
  if (mark === -1) {
    checkEncoding(url, 'path')
    return
  }
  if (url.length - mark - 1 > maxQueryLength) {
    throw new TankError(
      'INVALID_QUERY',
      `The query string is longer than ${maxQueryLength} characters.`
    )
  }
  checkEncoding(url.slice(0, mark), 'path')
  checkEncoding(url.slice(mark + 1), 'query string')
}
