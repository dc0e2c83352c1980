import { latin1, littleEndian } from '../fields.ts'
import type { Examination, Format, OpenPart } from '../format.ts'
import { hasMagic, need, read, readEnd, type Steps, wholeSize } from '../steps.ts'
import { HEAD_SIZE, TAIL_SIZE } from '../window.ts'
import { isHidden, unpack } from './inflate.ts'

const HEADER_SIZE = 30
const END_SIZE = 22
const MOST_COMMENT = 65535
const ENCRYPTED = 1
/** The sizes stand behind the bytes. */
const STREAMED = 8
const STORED = 0
const DEFLATED = 8
const UNKNOWN = 0xffffffff

interface Entry {
  readonly flags: number
  readonly method: number
  readonly packedSize: number | undefined
  readonly size: number | undefined
  readonly data: number
}

function entryOf(header: Uint8Array): Entry {
  const fields = littleEndian(header)
  const flags = fields.u16(6)
  const size = (at: number) =>
    (flags & STREAMED) !== 0 || fields.u32(at) === UNKNOWN ? undefined : fields.u32(at)
  return {
    flags,
    method: fields.u16(8),
    packedSize: size(18),
    size: size(22),
    data: HEADER_SIZE + fields.u16(26) + fields.u16(28)
  }
}

function unpackEntry(head: Uint8Array, entry: Entry, whole: OpenPart, notes: Examination): void {
  const { data, packedSize = Infinity } = entry
  if (entry.method === STORED) {
    const packed = head.subarray(data, data + packedSize)
    whole.push(packed)
    if (packed.length === packedSize) whole.end()
  } else {
    // a byte more, so that the end of what is packed is seen
    const unpacked = unpack(head.subarray(data, data + packedSize + 1), notes.budget, (bytes) => {
      whole.push(bytes)
      return whole.wantsMore || head.length < HEAD_SIZE
    })
    const isLonger = unpacked.kind === 'cut' && data + packedSize < head.length
    if (unpacked.kind === 'damaged' || isLonger) notes.report('COMPRESSION_SYNTAX', data)
    if (unpacked.kind === 'whole') whole.end()
  }
  const isKnown = packedSize !== Infinity || head.length === HEAD_SIZE
  if (isKnown && isHidden(whole)) notes.report('COMPRESSION_SYNTAX', data)
}

/** Whether there is a directory, without which there is nothing in it. A comment may follow. */
function* hasDirectory(): Steps<boolean> {
  for (const length of [TAIL_SIZE, END_SIZE + MOST_COMMENT])
    if (latin1(yield* readEnd(length)).includes('PK\x05\x06')) return true
  return false
}

function* examine(notes: Examination): Steps<void> {
  notes.facts.compressedBy = 'zip'
  const entry = entryOf(yield* need(0, HEADER_SIZE))
  const head = yield* read(0, HEAD_SIZE)
  const canUnpack = entry.method === STORED || entry.method === DEFLATED
  notes.facts.encrypted = (entry.flags & ENCRYPTED) !== 0
  const whole = canUnpack && !notes.facts.encrypted ? notes.unpack() : undefined
  if (whole !== undefined) {
    unpackEntry(head, entry, whole, notes)
    notes.unpacked(whole.report(), entry.data)
  }
  notes.declares(entry.size, 22)
  if (!(yield* hasDirectory())) notes.report('TRUNCATED', yield* wholeSize())
}

/** Archives of packed files (APPNOTE 6.3.10), of which the first one is looked at. */
export const zip: Format = { name: 'zip', detect: () => hasMagic(0, 'PK\x03\x04'), examine }
