import { crc32 } from 'node:zlib'
import { littleEndian } from '../fields.ts'
import type { Examination, Format, OpenPart } from '../format.ts'
import { hasMagic, read, readEnd, type Steps, wholeSize } from '../steps.ts'
import { HEAD_SIZE } from '../window.ts'
import { isHidden, MOST_BYTES, unpack } from './inflate.ts'

const HEADER_SIZE = 10
const DEFLATE = 8
const TRAILER_SIZE = 8
const MOST_MEMBERS = 32

const HEADER_CRC = 2
const EXTRA = 4
const NAME = 8
const COMMENT = 16
const RESERVED = 0xe0

const isMember = (head: Uint8Array, at: number): boolean =>
  head[at] === 0x1f && head[at + 1] === 0x8b

/** Where the packed bytes of a member begin; undefined when its header is none. */
function dataOf(head: Uint8Array, at: number): number | undefined {
  const flags = head[at + 3] ?? 0
  const method = head[at + 2] ?? DEFLATE
  if (!isMember(head, at) || method !== DEFLATE || (flags & RESERVED) !== 0) return undefined
  let data = at + HEADER_SIZE
  if ((flags & EXTRA) !== 0) data += 2 + (head[data] ?? 0) + (head[data + 1] ?? 0) * 256
  for (const text of [NAME, COMMENT]) {
    if ((flags & text) === 0) continue
    const end = head.indexOf(0, data)
    data = end < 0 ? Infinity : end + 1
  }
  return (flags & HEADER_CRC) === 0 ? data : data + 2
}

/** The first bytes of a file, and who wants what they hold. */
interface Head {
  readonly bytes: Uint8Array
  /** They are the whole file. */
  readonly isAll: boolean
  readonly part: OpenPart
}

/** Where the next member begins; undefined when there is none, or nobody wants it. */
function unpackMember(
  head: Head,
  at: number,
  own: OpenPart | undefined,
  notes: Examination
): number | undefined {
  const { bytes, isAll, part } = head
  const data = dataOf(bytes, at)
  if (data === undefined || data > bytes.length) {
    const isCut = data !== undefined && isAll
    notes.report(isCut ? 'TRUNCATED' : 'COMPRESSION_SYNTAX', isCut ? bytes.length : at)
    return undefined
  }
  const unpacked = unpack(bytes.subarray(data), notes.budget, (piece) => {
    part.push(piece)
    own?.push(piece)
    return isAll || part.wantsMore || own?.wantsMore === true
  })
  if (unpacked.kind === 'damaged') notes.report('COMPRESSION_SYNTAX', data)
  const end = unpacked.kind === 'whole' ? data + unpacked.used : undefined
  if (unpacked.kind !== 'whole' && !isAll && isHidden(part))
    notes.report('COMPRESSION_SYNTAX', data)
  const isCut = unpacked.kind === 'cut' || (end ?? 0) + TRAILER_SIZE > bytes.length
  if (isCut && isAll) notes.report('TRUNCATED', bytes.length)
  if (isCut || end === undefined || unpacked.kind !== 'whole') return undefined
  const sum = littleEndian(bytes.subarray(end, end + 4)).u32(0)
  if (sum !== crc32(unpacked.bytes)) notes.report('COMPRESSION_SYNTAX', end)
  return end + TRAILER_SIZE
}

/**
 * Members follow each other, and what they hold is one file. Some readers know the first alone, so
 * that a later one must not begin as an image of its own.
 */
function unpackMembers(head: Head, notes: Examination): void {
  const { bytes, isAll, part } = head
  let at = unpackMember(head, 0, undefined, notes)
  for (let count = 1; at !== undefined && isMember(bytes, at); count++) {
    const isEnough = count > MOST_MEMBERS || part.report().size > MOST_BYTES
    const own = isEnough || !(isAll || part.wantsMore) ? undefined : notes.unpack()
    if (isEnough && part.wantsMore) notes.report('COMPRESSION_SYNTAX', at)
    if (own === undefined) return
    const next = unpackMember(head, at, own, notes)
    if (next !== undefined) own.end()
    if (own.report().format !== 'raw') notes.report('POLYGLOT', at)
    at = next
  }
  if (at === undefined || !isAll) return
  if (at < bytes.length) notes.report('TRAILING_DATA', at)
  part.end()
}

/** The length of the last member, modulo 2^32 (RFC 1952). */
function* declaredSize(): Steps<number | undefined> {
  const tail = yield* readEnd(4)
  return (yield* wholeSize()) < HEADER_SIZE + TRAILER_SIZE ? undefined : littleEndian(tail).u32(0)
}

function* examine(notes: Examination): Steps<void> {
  notes.facts.compressedBy = 'gzip'
  const head = yield* read(0, HEAD_SIZE)
  const part = notes.unpack()
  if (part !== undefined) {
    unpackMembers({ bytes: head, isAll: head.length < HEAD_SIZE, part }, notes)
    notes.unpacked(part.report(), 0)
  }
  notes.declares(yield* declaredSize(), 0)
}

/** Files of members that are packed by deflate (RFC 1952). */
export const gzip: Format = { name: 'gzip', detect: () => hasMagic(0, '\x1f\x8b\x08'), examine }
