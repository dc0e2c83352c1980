import { isEqual, isPowerOfTwo, latin1, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, read, type Steps, wholeSize } from '../steps.ts'
import { checkEmbedded, checkText } from './vmdk-descriptor.ts'

const SPARSE = 'KDMV'
const COWD = 'COWD'
const SE_SPARSE = '\xbe\xba\xfe\xca\0\0\0\0'
const SECTOR = 512
const HEADER_SIZE = 512
/** Readers take so much as descriptor, whatever its length says. */
const LEAST_DESCRIPTOR = 20 * SECTOR
const MOST_DESCRIPTOR = 2 ** 20 - 1
const FOOTER_SIZE = 3 * SECTOR
/** Some readers take any text for a descriptor that has the word before its first NUL. */
const TYPE = /createtype/i
const MOST_PIECE = 65536
const COMPRESSED = 0x10000
const MARKERS = 0x20000

function* detect(): Steps<boolean> {
  return (
    (yield* hasMagic(0, SPARSE)) ||
    (yield* hasMagic(0, COWD)) ||
    (yield* hasMagic(0, SE_SPARSE)) ||
    (yield* isDescriptor()) ||
    (yield* hasType())
  )
}

/** Comments and blank lines, then a version: a descriptor of files that lie elsewhere. */
function* isDescriptor(): Steps<boolean> {
  // anything else than white space or a comment ends it, so most images are out after one byte
  for (let length = 1; ; length *= 4) {
    const bytes = yield* read(0, Math.min(length, 65536))
    const text = latin1(bytes)
    if (/^#\s*disk\s*descriptorfile/i.test(text)) return true
    const [ignored = ''] = /^(?:[\t\v\f\r\n ]|(?:#|encoding[\t ]*=)[^\n]*\n)*/i.exec(text) ?? []
    const rest = text.slice(ignored.length)
    if (/^version[\t ]*=/i.test(rest)) return true
    const isOpen = rest === '' || /^(?:#|encoding)/i.test(rest) || /^[ve][a-z]*[\t ]*$/i.test(rest)
    if (!isOpen || bytes.length < length || length >= 65536) return false
  }
}

function* hasType(): Steps<boolean> {
  let before = ''
  let length = 16
  for (let at = 0; at < MOST_DESCRIPTOR; at += length) {
    length = Math.min(at === 0 ? length : 4 * length, MOST_PIECE)
    const bytes = yield* read(at, length)
    const end = bytes.indexOf(0)
    const text = before + latin1(end < 0 ? bytes : bytes.subarray(0, end))
    if (TYPE.test(text)) return true
    if (end >= 0 || bytes.length < length) return false
    before = text.slice(-16)
  }
  return false
}

function checkHeader(header: Uint8Array, notes: Examination): void {
  const fields = littleEndian(header)
  const version = fields.u32(4)
  const grain = fields.u64(20)
  const flags = fields.u32(8)
  const entries = fields.u32(44)
  notes.size(fields.u64(12) * SECTOR, 12)
  notes.facts.subformat = (flags & MARKERS) === 0 ? 'monolithicSparse' : 'streamOptimized'
  if (fields.u64(12) === 0) notes.report('VMDK_ZERO_CAPACITY', 12)
  if (version < 1 || version > 3) notes.report('VMDK_HEADER', 4)
  if (!isPowerOfTwo(grain) || grain < 8 || grain > 2 ** 21) notes.report('VMDK_HEADER', 20)
  if (fields.u64(28) !== 1) notes.report('VMDK_HEADER', 28)
  if (fields.u64(36) < 1 || fields.u64(36) * SECTOR > MOST_DESCRIPTOR)
    notes.report('VMDK_HEADER', 36)
  if (entries === 0 || entries > 512) notes.report('VMDK_HEADER', 44)
  if (header[72] !== 0) notes.report('VMDK_UNCLEAN', 72)
  if (latin1(header.subarray(73, 77)) !== '\n \r\n') notes.report('VMDK_HEADER', 73)
  const compression = fields.u16(77)
  if (compression > 1 || (compression === 0 && (flags & COMPRESSED) !== 0))
    notes.report('VMDK_HEADER', 77)
}

/** The header again, between two markers, when the first one leaves the grain directory open. */
function* examineFooter(header: Uint8Array, notes: Examination): Steps<void> {
  const size = yield* wholeSize()
  const at = size - FOOTER_SIZE
  if (at < HEADER_SIZE) {
    notes.report('TRUNCATED', size)
    return
  }
  const tail = yield* need(at, FOOTER_SIZE)
  const fields = littleEndian(tail)
  const isMarked = fields.u64(0) === 1 && fields.u32(8) === 0 && fields.u32(12) === 3
  const isEnd = fields.u64(1024) === 0 && fields.u32(1032) === 0 && fields.u32(1036) === 0
  const footer = tail.subarray(SECTOR, 2 * SECTOR)
  const directory = fields.u64(SECTOR + 56)
  const isSame =
    isEqual(footer.subarray(0, 56), header.subarray(0, 56)) &&
    isEqual(footer.subarray(64, 79), header.subarray(64, 79))
  // some readers count whole sectors, and find theirs elsewhere
  if (size % SECTOR !== 0) notes.report('VMDK_FOOTER_MISMATCH', size)
  if (!isMarked || !isEnd) notes.report('TRUNCATED', size)
  if (!isSame || isAtEnd(footer)) notes.report('VMDK_FOOTER_MISMATCH', at + SECTOR)
  else if (directory * SECTOR + directorySize(header) > size)
    notes.report('OFFSET_BEYOND_EOF', at + SECTOR + 56)
}

/** Bytes of a grain directory: one entry of 4 bytes for each table. */
function directorySize(header: Uint8Array): number {
  const fields = littleEndian(header)
  return Math.ceil(fields.u64(12) / Math.max(1, fields.u64(20) * fields.u32(44))) * 4
}

const isAtEnd = (header: Uint8Array): boolean =>
  header.subarray(56, 64).every((byte) => byte === 0xff)

function* examineDescriptor(declared: number, capacity: number, notes: Examination): Steps<void> {
  const length = Math.min(MOST_DESCRIPTOR, Math.max(LEAST_DESCRIPTOR, declared))
  checkEmbedded(yield* read(SECTOR, length), { at: SECTOR, capacity }, notes)
  // a generator that waits keeps its last answer, which here would be 1 MiB up to the end
  yield* read(0, 0)
}

function* examineSparse(notes: Examination): Steps<void> {
  const header = yield* need(0, HEADER_SIZE)
  const fields = littleEndian(header)
  checkHeader(header, notes)
  const declared = fields.u64(36) * SECTOR
  yield* examineDescriptor(declared, fields.u64(12), notes)
  if (isAtEnd(header)) yield* examineFooter(header, notes)
  const size = yield* wholeSize()
  if (SECTOR + Math.min(declared, MOST_DESCRIPTOR) > size) notes.report('TRUNCATED', size)
  if (fields.u64(64) * SECTOR > size) notes.report('OFFSET_BEYOND_EOF', 64)
  for (const at of [48, 56]) {
    const isUsed = at === 56 ? !isAtEnd(header) : (fields.u32(8) & 2) !== 0
    if (isUsed && fields.u64(at) * SECTOR + directorySize(header) > size)
      notes.report('OFFSET_BEYOND_EOF', at)
  }
}

function* examine(notes: Examination): Steps<void> {
  if (yield* hasMagic(0, SPARSE)) {
    yield* examineSparse(notes)
    return
  }
  notes.report('VMDK_SUBFORMAT', 0)
  if (yield* hasMagic(0, COWD)) {
    notes.facts.subformat = 'cowd'
    notes.size(littleEndian(yield* need(12, 4)).u32(0) * SECTOR, 12)
  } else if (yield* hasMagic(0, SE_SPARSE)) notes.facts.subformat = 'seSparse'
  else {
    notes.facts.subformat = 'descriptor'
    checkText(yield* read(0, 65536), notes)
  }
}

/** VMware's format (Virtual Disk Format 5.0). */
export const vmdk: Format = { name: 'vmdk', detect, examine }
