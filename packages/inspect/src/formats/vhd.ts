import { bigEndian, isEqual, isFilled, isPowerOfTwo } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, readEnd, type Steps, wholeSize } from '../steps.ts'
import { HEAD_SIZE } from '../window.ts'

const MAGIC = 'conectix'
const FOOTER_SIZE = 512
const HEADER_SIZE = 1024
const FIXED = 2
const DYNAMIC = 3
const DIFFERENCING = 4

function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0
  for (const [index, byte] of bytes.entries()) if (index < at || index >= at + 4) sum += byte
  return ~sum >>> 0
}

function* detect(): Steps<boolean> {
  if (yield* hasMagic(0, MAGIC)) return true
  const size = yield* wholeSize()
  // readers that count whole sectors look into the last one, whatever there is of it
  const last = Math.ceil(size / FOOTER_SIZE) * FOOTER_SIZE - FOOTER_SIZE
  for (const at of [size - FOOTER_SIZE, last])
    if (at > 0 && (yield* hasMagic(at, MAGIC))) return true
  return false
}

function checkFooter(footer: Uint8Array, at: number, notes: Examination): void {
  const fields = bigEndian(footer)
  const geometry = fields.u16(56) * fields.u8(58) * fields.u8(59) * 512
  notes.size(fields.u64(48), at + 48)
  if (fields.u32(60) === DIFFERENCING) notes.report('VHD_DIFFERENCING', at + 60)
  if (fields.u32(12) !== 0x00010000) notes.report('VHD_HEADER', at + 12)
  if (fields.u32(64) !== checksum(footer, 64)) notes.report('VHD_CHECKSUM', at + 64)
  if (geometry !== fields.u64(48)) notes.report('VHD_GEOMETRY', at + 56)
}

function* examineFixed(notes: Examination): Steps<void> {
  notes.facts.subformat = 'fixed'
  notes.facts.isTrailer = true
  const size = yield* wholeSize()
  const at = size - FOOTER_SIZE
  const footer = yield* need(at, FOOTER_SIZE)
  const fields = bigEndian(footer)
  if (at % FOOTER_SIZE !== 0) {
    notes.report('VHD_FOOTER_MISMATCH', at)
    return
  }
  checkFooter(footer, at, notes)
  if (fields.u32(60) === DYNAMIC) notes.report('TRUNCATED', 0)
  else if (fields.u32(60) !== FIXED) notes.report('VHD_HEADER', at + 60)
  if (fields.u64(48) > at) notes.report('TRUNCATED', at)
  else if (fields.u64(48) < at) notes.report('VHD_FOOTER_MISMATCH', at + 48)
}

function* examineDynamicHeader(offset: number, notes: Examination): Steps<void> {
  const header = yield* need(offset, HEADER_SIZE)
  const fields = bigEndian(header)
  const entries = fields.u32(28)
  const blockSize = fields.u32(32)
  if (!(yield* hasMagic(offset, 'cxsparse'))) notes.report('VHD_HEADER', offset)
  if (fields.u32(36) !== checksum(header, 36)) notes.report('VHD_CHECKSUM', offset + 36)
  // parent's id, time and name, then its locators
  if (!isFilled(header, 40, 60) || !isFilled(header, 64, 768))
    notes.report('VHD_DIFFERENCING', offset + 40)
  if (!isPowerOfTwo(blockSize) || blockSize < 512) notes.report('VHD_HEADER', offset + 32)
  const size = bigEndian(yield* need(48, 8)).u64(0)
  if (entries * blockSize < size) notes.report('VHD_HEADER', offset + 28)
  const end = yield* wholeSize()
  if (fields.u64(16) + entries * 4 > end) notes.report('OFFSET_BEYOND_EOF', offset + 16)
}

function* examineDynamic(notes: Examination): Steps<void> {
  const copy = yield* need(0, FOOTER_SIZE)
  const fields = bigEndian(copy)
  const offset = fields.u64(16)
  notes.facts.subformat = fields.u32(60) === DIFFERENCING ? 'differencing' : 'dynamic'
  checkFooter(copy, 0, notes)
  if (fields.u32(60) !== DYNAMIC && fields.u32(60) !== DIFFERENCING) notes.report('VHD_HEADER', 60)
  if (offset < FOOTER_SIZE || offset % 512 !== 0 || offset + HEADER_SIZE > HEAD_SIZE)
    notes.report('VHD_HEADER', 16)
  else yield* examineDynamicHeader(offset, notes)
  const footer = yield* readEnd(FOOTER_SIZE)
  const size = yield* wholeSize()
  if (size < 2 * FOOTER_SIZE + HEADER_SIZE || !isEqual(footer.subarray(0, 8), copy.subarray(0, 8)))
    notes.report('TRUNCATED', size)
  else if (!isEqual(footer, copy)) notes.report('VHD_FOOTER_MISMATCH', size - FOOTER_SIZE)
}

function* examine(notes: Examination): Steps<void> {
  if (yield* hasMagic(0, MAGIC)) yield* examineDynamic(notes)
  else yield* examineFixed(notes)
}

/** The format of Virtual PC and Azure (VHD Image Format Specification 1.0). */
export const vhd: Format = { name: 'vhd', detect, examine }
