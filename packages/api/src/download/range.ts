import { TankError } from '@tank/model'
import type { ByteRange } from '@tank/store'

function unsatisfiable(size: number): never {
  throw new TankError('RANGE_NOT_SATISFIABLE', 'The requested range cannot be satisfied', {
    headers: { 'content-range': `bytes */${size}` }
  })
}

function bounded(start: number, end: number, size: number): ByteRange {
  if (!Number.isSafeInteger(start) || start > end || start >= size) unsatisfiable(size)
  const last = Math.min(end, size - 1)
  return { offset: start, length: last - start + 1 }
}

/**
 * The range that a `Range` header asks for (RFC 9110 §14.2, B6–B8): one range of bytes. Several ranges
 * are INVALID_REQUEST, all else that cannot be had is RANGE_NOT_SATISFIABLE.
 */
export function parseRange(header: string, size: number): ByteRange {
  const [unit, set = ''] = header.split('=', 2)
  if (unit?.trim().toLowerCase() !== 'bytes') unsatisfiable(size)
  if (set.includes(','))
    throw new TankError('INVALID_REQUEST', 'Only one range can be asked for in a request')
  const match = /^\s*(\d*)-(\d*)\s*$/.exec(set)
  const [, first = '', last = ''] = match ?? []
  if (match === null || (first === '' && last === '')) unsatisfiable(size)
  if (first === '') {
    const suffix = Math.min(Number(last), size)
    if (suffix === 0) unsatisfiable(size)
    return { offset: size - suffix, length: suffix }
  }
  return bounded(Number(first), last === '' ? size - 1 : Number(last), size)
}

/** The range of an old client's `Content-Range` *request* header (B9): `bytes a-b/size` or `/*`. */
export function parseContentRange(header: string, size: number): ByteRange {
  const match = /^\s*bytes\s+(\d+)-(\d+)\/(\d+|\*)\s*$/i.exec(header)
  if (match === null || (match[3] !== '*' && Number(match[3]) !== size)) unsatisfiable(size)
  return bounded(Number(match[1]), Number(match[2]), size)
}
