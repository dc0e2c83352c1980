import { latin1, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import type { Compression } from '../report.ts'
import { hasMagic, read, readEnd, type Steps, wholeSize } from '../steps.ts'
import { gzip } from './gzip.ts'
import { zip } from './zip.ts'

type Magics = readonly (readonly [at: number, magic: string])[]

function compressed(
  name: Compression,
  magics: Magics,
  declaredSize?: (notes: Examination) => Steps<number | undefined>
): Format {
  return {
    name,
    *detect() {
      for (const [at, magic] of magics) if (!(yield* hasMagic(at, magic))) return false
      return true
    },
    *examine(notes: Examination) {
      notes.facts.compressedBy = name
      if (declaredSize !== undefined) notes.declares(yield* declaredSize(notes), 0)
    }
  }
}

/** What the first frame says of itself (RFC 8878, 3.1.1.1). */
function* zstdSize(): Steps<number | undefined> {
  const [descriptor] = yield* read(4, 1)
  if (descriptor === undefined) return undefined
  const isSingle = (descriptor & 0x20) !== 0
  const length = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0
  const field = yield* read(5 + (isSingle ? 0 : 1) + dictionary, length)
  if (length === 0 || field.length < length) return undefined
  const whole = new Uint8Array(8)
  whole.set(field)
  return littleEndian(whole).u64(0) + (length === 2 ? 256 : 0)
}

/** A number of seven bits a byte, the lowest first (xz file format 1.2, 1.2). */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0
  for (let index = 0; index < 9; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return { value, next: at + index + 1 }
  }
  return undefined
}

/** The sizes of all blocks, from an index that lies in the last bytes. */
function* xzSize(notes: Examination): Steps<number | undefined> {
  const end = yield* readEnd(4096)
  // zeros may follow
  const tail = end.subarray(0, end.findLastIndex((byte) => byte !== 0) + 1)
  const footer = tail.length - 12
  if (footer < 0 || latin1(tail.subarray(-2)) !== 'YZ') {
    notes.report('TRUNCATED', yield* wholeSize())
    return undefined
  }
  const index = footer - (littleEndian(tail).u32(footer + 4) + 1) * 4
  const count = index < 0 || tail[index] !== 0 ? undefined : varint(tail, index + 1)
  if (count === undefined) return undefined
  let at = count.next
  let sum = 0
  for (let record = 0; record < count.value; record++) {
    const packed = varint(tail, at)
    const unpacked = packed === undefined ? undefined : varint(tail, packed.next)
    if (unpacked === undefined) return undefined
    sum += unpacked.value
    at = unpacked.next
  }
  return sum
}

/** A zstd stream may begin with a frame to be skipped, which has sixteen magic numbers. */
const zstd: Format = {
  ...compressed('zstd', [[0, '\x28\xb5\x2f\xfd']], zstdSize),
  *detect() {
    if (yield* hasMagic(0, '\x28\xb5\x2f\xfd')) return true
    const [first = 0] = yield* read(0, 1)
    return first >= 0x50 && first <= 0x5f && (yield* hasMagic(1, '\x2a\x4d\x18'))
  }
}

const bzip2: Format = {
  ...compressed('bzip2', []),
  *detect() {
    const head = latin1(yield* read(0, 4))
    return /^BZh[1-9]$/.test(head) && (yield* hasMagic(4, '1AY&SY'))
  }
}

/** Files that hold another one in fewer bytes: containers, and no disk formats. */
export const COMPRESSED: readonly Format[] = [
  gzip,
  compressed('xz', [[0, '\xfd7zXZ\0']], xzSize),
  zstd,
  bzip2,
  compressed('lz4', [[0, '\x04\x22\x4d\x18']]),
  compressed('lzop', [[0, '\x89LZO\0\r\n\x1a\n']]),
  zip,
  compressed('7z', [[0, '7z\xbc\xaf\x27\x1c']])
]
