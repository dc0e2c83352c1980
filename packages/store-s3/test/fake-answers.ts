// How the fake server answers.
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export class Refused extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

const statuses: Readonly<Record<string, number>> = {
  NoSuchKey: 404,
  NoSuchBucket: 404,
  NoSuchUpload: 404,
  PreconditionFailed: 412,
  InvalidRange: 416,
  NotImplemented: 501,
  MissingContentLength: 411,
  SlowDown: 503,
  InternalError: 500,
  AccessDenied: 403,
  InvalidAccessKeyId: 403,
  SignatureDoesNotMatch: 403,
  RequestTimeTooSkewed: 403,
  QuotaExceeded: 403,
  PermanentRedirect: 301,
  ExpiredToken: 400
}

export function statusOf(code: string): number {
  return statuses[code] ?? 400
}

export function rangeOf(text: string, size: number): [number, number] {
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(text) ?? []
  if (Number(first) >= size) throw new Refused('InvalidRange')
  return [Number(first), Math.min(Number(last), size - 1)]
}

export function metadataOf({ headers }: IncomingMessage): Record<string, string> {
  const prefix = 'x-amz-meta-'
  const found = Object.entries(headers).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(
    found.map(([name, value]) => [name.slice(prefix.length), String(value)])
  )
}

export function xml(
  name: string,
  fields: Record<string, string>,
  more: readonly string[] = []
): string {
  const inner = Object.entries(fields).map(
    ([key, value]) => `<${key}>${escapeText(value)}</${key}>`
  )
  return `<${name}>${[...inner, ...more].join('')}</${name}>`
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

export function send(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {}
): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

export function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}
