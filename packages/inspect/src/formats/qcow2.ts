import { bigEndian, type Fields } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const MIB = 2 ** 20
const HEADER_V2 = 72
const HEADER_V3 = 104
const MOST_EXTENSIONS = 64
const EXTENSION_DATA_FILE = 0x44415441
const EXTENSION_LUKS = 0x0537be77
const DIRTY = 1
const CORRUPT = 2
const DATA_FILE = 4
const COMPRESSION = 8
const EXTENDED_L2 = 16

/** Something that lies elsewhere in the file, and where the header says so. */
interface Table {
  readonly at: number
  readonly offset: number
  readonly size: number
}

interface Header {
  readonly version: number
  readonly clusterSize: number
  readonly features: number
  readonly encryption: number
  readonly backingOffset: number
  /** Where the header extensions begin. */
  readonly length: number
  readonly tables: readonly Table[]
}

function readHeader(fields: Fields): Header {
  const version = fields.u32(4)
  const clusterSize = 2 ** fields.u32(20)
  return {
    version,
    clusterSize,
    features: version === 3 ? fields.u32(76) : 0,
    encryption: fields.u32(32),
    backingOffset: fields.u64(8),
    length: version === 3 ? fields.u32(100) : HEADER_V2,
    tables: [
      { at: 40, offset: fields.u64(40), size: fields.u32(36) * 8 },
      { at: 48, offset: fields.u64(48), size: fields.u32(56) * clusterSize },
      // an entry of the snapshot table has at least 40 bytes
      { at: 64, offset: fields.u64(64), size: fields.u32(60) * 40 }
    ]
  }
}

function checkSizes(fields: Fields, notes: Examination): void {
  const bits = fields.u32(20)
  const size = fields.u64(24)
  const l1Size = fields.u32(36)
  const isSubclustered = (readHeader(fields).features & EXTENDED_L2) !== 0
  notes.size(size, 24)
  if (bits < 9 || bits > 21 || (isSubclustered && bits < 14)) notes.report('QCOW2_TABLE_BOUNDS', 20)
  if (size % 512 !== 0) notes.report('QCOW2_TABLE_BOUNDS', 24)
  const covered = 2 ** (2 * bits - (isSubclustered ? 4 : 3))
  if (l1Size * 8 > 32 * MIB || l1Size * covered < size) notes.report('QCOW2_TABLE_BOUNDS', 36)
}

function checkTables(header: Header, fields: Fields, notes: Examination): void {
  const [, refcounts] = header.tables
  if (refcounts === undefined || refcounts.size > 8 * MIB || refcounts.size === 0)
    notes.report('QCOW2_TABLE_BOUNDS', 56)
  for (const { at, offset, size } of header.tables) {
    if (size > 0 && (offset % header.clusterSize !== 0 || offset < header.clusterSize))
      notes.report('QCOW2_TABLE_BOUNDS', at)
  }
  const snapshots = fields.u32(60)
  if (snapshots > 65536) notes.report('QCOW2_TABLE_BOUNDS', 60)
  else if (snapshots > 0) notes.report('QCOW2_SNAPSHOTS', 60)
}

function checkFeatures(header: Header, fields: Fields, notes: Examination): void {
  const { features } = header
  if ((features & DIRTY) !== 0) notes.report('QCOW2_DIRTY', 72)
  if ((features & CORRUPT) !== 0) notes.report('QCOW2_CORRUPT', 72)
  if ((features & DATA_FILE) !== 0) notes.report('QCOW2_DATA_FILE', 72)
  if ((features & EXTENDED_L2) !== 0) notes.report('QCOW2_EXTENDED_L2', 72)
  if (fields.u32(72) !== 0 || features >= 32) notes.report('QCOW2_UNKNOWN_INCOMPAT', 72)
  if ((fields.u32(92) & 2) !== 0) notes.report('QCOW2_DATA_FILE', 88)
  if (fields.u32(96) > 6) notes.report('QCOW2_TABLE_BOUNDS', 96)
  const { length, clusterSize } = header
  if (length < HEADER_V3 || length % 8 !== 0 || length > clusterSize)
    notes.report('QCOW2_TABLE_BOUNDS', 100)
}

/** Where the LUKS header lies, which is as a table of whole clusters. */
function* readLuks(at: number, length: number): Steps<Table | undefined> {
  if (length !== 16) return undefined
  const fields = bigEndian(yield* need(at + 8, 16))
  return { at: at + 8, offset: fields.u64(0), size: fields.u64(8) }
}

/** Reads the header extensions; returns where one of them says that the LUKS header lies. */
function* readExtensions(header: Header, notes: Examination): Steps<Table | undefined> {
  const { backingOffset, clusterSize } = header
  const end =
    backingOffset > 0 && backingOffset < clusterSize
      ? backingOffset
      : Math.min(clusterSize, 2 * MIB)
  let at = header.length
  let luks: Table | undefined
  for (let count = 0; at + 8 <= end; count++) {
    const extension = bigEndian(yield* need(at, 8))
    const type = extension.u32(0)
    const length = extension.u32(4)
    if (type === 0) return luks
    if (type === EXTENSION_DATA_FILE) notes.report('QCOW2_DATA_FILE', at)
    if (length > end - at - 8 || count === MOST_EXTENSIONS) {
      notes.report('QCOW2_TABLE_BOUNDS', at + 4)
      return luks
    }
    if (type === EXTENSION_LUKS) luks = yield* readLuks(at, length)
    at += 8 + Math.ceil(length / 8) * 8
  }
  return luks
}

function* examine(notes: Examination): Steps<void> {
  const version = bigEndian(yield* need(4, 4)).u32(0)
  notes.facts.subformat = `v${version}`
  if (version !== 2 && version !== 3) {
    notes.report('QCOW2_VERSION', 4)
    return
  }
  // the backing file first: it is what makes an image dangerous
  const backing = bigEndian(yield* need(8, 12))
  if (backing.u64(0) !== 0 || backing.u32(8) !== 0) notes.report('QCOW2_BACKING_FILE', 8)
  const fields = bigEndian(yield* need(0, version === 3 ? HEADER_V3 : HEADER_V2))
  const header = readHeader(fields)
  checkSizes(fields, notes)
  checkTables(header, fields, notes)
  if (version === 3) checkFeatures(header, fields, notes)
  notes.facts.encrypted = header.encryption !== 0
  if (header.encryption === 1) notes.report('QCOW2_AES', 32)
  yield* checkCompression(header, notes)
  const luks = yield* readExtensions(header, notes)
  const hasLuks = luks !== undefined && luks.size > 0 && luks.offset % header.clusterSize === 0
  if (header.encryption > 2 || (header.encryption === 2 && !hasLuks))
    notes.report('QCOW2_CRYPT_HEADER', 32)
  const size = yield* wholeSize()
  if (size < header.clusterSize) notes.report('TRUNCATED', size)
  for (const table of luks === undefined ? header.tables : [...header.tables, luks]) {
    if (table.size > 0 && table.offset + table.size > size)
      notes.report('OFFSET_BEYOND_EOF', table.at)
  }
}

function* checkCompression(header: Header, notes: Examination): Steps<void> {
  const isDeclared = (header.features & COMPRESSION) !== 0
  const type = header.length > HEADER_V3 ? (yield* need(HEADER_V3, 1))[0] : 0
  const isKnown = isDeclared ? type === 1 : type === 0
  if (!isKnown) notes.report('QCOW2_UNKNOWN_INCOMPAT', HEADER_V3)
}

/** QEMU's copy-on-write format, versions 2 and 3 (docs/interop/qcow2.rst). */
export const qcow2: Format = { name: 'qcow2', detect: () => hasMagic(0, 'QFI\xfb'), examine }
