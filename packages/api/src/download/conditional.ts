/** What a client may compare: a strong ETag, if the bytes are known, and a time in whole seconds. */
export interface Validators {
  readonly etag: string | undefined
  readonly lastModified: Date
}

interface ConditionalHeaders {
  readonly 'if-none-match'?: string | undefined
  readonly 'if-modified-since'?: string | undefined
  readonly 'if-range'?: string | string[] | undefined
}

function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '')
}

/** Whether the client's copy is current (RFC 9110 §13.1.2, §13.1.3). */
export function notModified(headers: ConditionalHeaders, validators: Validators): boolean {
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return true
    if (validators.etag === undefined) return false
    return noneMatch.split(',').some((tag) => opaque(tag) === validators.etag)
  }
  const since = Date.parse(headers['if-modified-since'] ?? '')
  return (
    !Number.isNaN(since) && Math.floor(validators.lastModified.getTime() / 1000) * 1000 <= since
  )
}

/** Whether a `Range` may be honoured: `If-Range` names the bytes that are here (RFC 9110 §13.1.5). */
export function rangeAllowed(headers: ConditionalHeaders, validators: Validators): boolean {
  const value = headers['if-range']
  if (typeof value !== 'string') return true
  if (value.trim().startsWith('"')) return value.trim() === validators.etag
  const date = Date.parse(value)
  return !Number.isNaN(date) && Math.floor(validators.lastModified.getTime() / 1000) * 1000 === date
}
