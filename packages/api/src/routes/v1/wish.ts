import { controlHeader, type ImageMeta, isTrue, readImageHeaders, TankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'

/** What a writing request asks for (v1 1.4). */
export interface Wish {
  readonly meta: ImageMeta
  readonly hasBody: boolean
  /** `Content-Length`; undefined: the body is chunked, or there is none. */
  readonly length: number | undefined
  readonly copyFrom: string | undefined
  /** Properties that are not sent are to go. */
  readonly purges: boolean
}

const MD5 = /^[0-9a-f]{32}$/

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

/** Reads the headers of a request. Throws INVALID_REQUEST. */
export function readWish({ raw, headers }: FastifyRequest): Wish {
  const given = readImageHeaders(raw.rawHeaders)
  const { checksum } = given
  const meta = typeof checksum === 'string' ? { ...given, checksum: checksum.toLowerCase() } : given
  if (typeof meta.checksum === 'string' && !MD5.test(meta.checksum)) {
    invalid('Invalid value for checksum: it must be an MD5, 32 hexadecimal digits')
  }
  const chunked = headers['transfer-encoding'] !== undefined
  const length = chunked ? undefined : Number(headers['content-length'] ?? 0)
  const hasBody = chunked || (length ?? 0) > 0
  const purge = controlHeader(headers, 'registry-purge-props')
  const copyFrom = controlHeader(headers, 'api-copy-from')
  const sources = [hasBody, meta.location !== undefined, copyFrom !== undefined]
  if (sources.filter(Boolean).length > 1) {
    invalid('The data of an image comes from one place: multiple sources were given')
  }
  return {
    meta,
    hasBody,
    length: hasBody ? length : undefined,
    copyFrom,
    purges: !hasBody && (purge === undefined || isTrue(purge))
  }
}

/** Throws INVALID_REQUEST when more is announced than an image may have (1.10). */
export function demandSize({ meta, length = 0 }: Wish, cap: number): void {
  if (Math.max(meta.size ?? 0, length) <= cap) return
  invalid(`Denying attempt to upload image larger than ${cap} bytes`)
}

/** Throws INVALID_REQUEST unless a body is sent as image data is. */
export function demandOctets({ headers }: FastifyRequest): void {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/octet-stream') {
    invalid(
      'Content-Type must be application/octet-stream; with curl: ' +
        "-H 'Content-Type: application/octet-stream'"
    )
  }
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (coding !== '' && coding !== 'identity') {
    invalid('Image data must be sent without Content-Encoding')
  }
}
