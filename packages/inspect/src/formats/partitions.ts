import { crc32, latin1, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, read, type Steps, wholeSize } from '../steps.ts'
import { HEAD_SIZE } from '../window.ts'

const TABLE = 446
const PROTECTIVE = 0xee
/** Signatures of file systems whose first sector ends like a partition table, and where they stand. */
const BOOT_SECTORS: readonly (readonly [number, string])[] = [
  [3, 'NTFS    '],
  [3, 'EXFAT   '],
  [54, 'FAT'],
  [82, 'FAT32']
]

interface Partition {
  readonly at: number
  readonly flag: number
  /** The first sector by head, sector and cylinder. */
  readonly start: string
  readonly type: number
  readonly first: number
  readonly count: number
}

/** The entries that are used. */
function partitionsOf(sector: Uint8Array): Partition[] {
  const fields = littleEndian(sector)
  return [0, 1, 2, 3]
    .map((index) => TABLE + index * 16)
    .map((at) => ({
      at,
      flag: fields.u8(at),
      start: latin1(sector.subarray(at + 1, at + 4)),
      type: fields.u8(at + 4),
      first: fields.u32(at + 8),
      count: fields.u32(at + 12)
    }))
    .filter(({ flag, type }) => flag !== 0 || type !== 0)
}

function* detect(): Steps<boolean> {
  const isSigned = yield* hasMagic(510, '\x55\xaa')
  if (!isSigned) return false
  for (const [at, magic] of BOOT_SECTORS) if (yield* hasMagic(at, magic)) return false
  return true
}

function isPlausible(partitions: readonly Partition[]): boolean {
  return partitions.some(
    ({ flag, type, first, count }) =>
      (flag === 0 || flag === 0x80) && type !== 0 && first > 0 && count > 0
  )
}

/** A protective entry stands alone and covers the disk from its second sector on. */
function checkEntries(partitions: readonly Partition[], notes: Examination): void {
  if (partitions.every(({ type }) => type === 0)) notes.report('MBR_EMPTY', TABLE)
  for (const { at, flag, type, start, first } of partitions) {
    if (flag !== 0 && flag !== 0x80) notes.report('MBR_BOOT_FLAG', at)
    const protects = first === 1 && start === '\0\x02\0' && partitions.length === 1
    if (type === PROTECTIVE && !protects) notes.report('MBR_PROTECTIVE', at)
  }
}

/** The table of a GPT; `sector` is the size of the disk's sectors. */
function* examineGpt(sector: number, end: number, notes: Examination): Steps<void> {
  const header = yield* read(sector, 92)
  const fields = littleEndian(header)
  if (header.length < 92) {
    notes.report('TRUNCATED', end)
    return
  }
  const isSound =
    fields.u32(8) === 0x00010000 &&
    fields.u32(12) === 92 &&
    fields.u64(24) === 1 &&
    fields.u32(16) === crc32(header, 16)
  if (!isSound) notes.report('GPT_HEADER', sector)
  const disk = (fields.u64(32) + 1) * sector
  if (disk > end) notes.report('TRUNCATED', end)
  else if (disk < end) notes.report('TRAILING_DATA', disk)
}

/** The size of the raw bytes; a fixed VHD has a footer behind them. */
function* rawSize(): Steps<number> {
  const size = yield* wholeSize()
  return size > 512 && (yield* hasMagic(size - 512, 'conectix')) ? size - 512 : size
}

function* examine(notes: Examination): Steps<void> {
  // a hybrid ISO has its own rules, and is known as one by then
  yield* read(0, HEAD_SIZE)
  const partitions = partitionsOf(yield* read(0, 512))
  notes.facts.isPlausible = isPlausible(partitions)
  if (notes.facts.isPlausible) notes.facts.content = 'mbr'
  checkEntries(partitions, notes)
  const isProtective = partitions.some(({ type }) => type === PROTECTIVE)
  for (const sector of [512, 4096]) {
    if (!isProtective || !(yield* hasMagic(sector, 'EFI PART'))) continue
    notes.facts.content = 'gpt'
    yield* examineGpt(sector, yield* rawSize(), notes)
    return
  }
  const last = Math.max(0, ...partitions.map(({ first, count }) => (first + count) * 512))
  const size = yield* rawSize()
  // a table was promised: it is missing, or cut off
  if (isProtective) notes.report(size < 4096 + 92 ? 'TRUNCATED' : 'GPT_HEADER', 512)
  if (!isProtective && last > size) notes.report('OFFSET_BEYOND_EOF', TABLE)
}

/** Raw disks with a partition table: MBR and GPT (UEFI 2.10, chapter 5). */
export const partitions: Format = { name: 'raw', detect, examine }
