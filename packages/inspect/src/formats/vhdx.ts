import { crc32c, isEqual, isFilled, latin1, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const KIB = 1024
const MIB = 2 ** 20
const HEADERS = [64 * KIB, 128 * KIB] as const
const REGION_TABLES = [192 * KIB, 256 * KIB] as const
const TABLE_SIZE = 64 * KIB
const MOST_ENTRIES = 2047

/** GUIDs as they lie on the disk, in hexadecimal. */
const BAT = '6677c22d23f600429d64115e9bfd4a08'
const METADATA = '06a27c8b90479a4bb8fe575f050f886e'
const FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b'
const VIRTUAL_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8'
const PARENT_LOCATOR = '2d5fd3a80bb34d45abf7d3d84834ab0c'
const LOGICAL_SECTOR = '1dbf41816fa90947ba47f233a8faab5f'
const PHYSICAL_SECTOR = 'c748a3cd5d4471449cc9e9885251c556'
const PAGE_83 = 'ab12cabee6b2234593efc309e000c746'
/** The items that are known, and how long they are. */
const ITEMS: ReadonlyMap<string, number> = new Map([
  [FILE_PARAMETERS, 8],
  [VIRTUAL_SIZE, 8],
  [LOGICAL_SECTOR, 4],
  [PHYSICAL_SECTOR, 4],
  [PAGE_83, 16]
])

interface Entry {
  readonly guid: string
  readonly offset: number
  readonly length: number
  readonly flags: number
}

/** What the region tables say. */
interface Regions {
  readonly metadata: Entry | undefined
  /** Behind the last region. */
  readonly end: number
}

const guidOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** The header that counts is the valid one with the higher sequence number. */
function* examineHeaders(notes: Examination): Steps<void> {
  let best: { sequence: number; at: number; hasLog: boolean; header: Uint8Array } | undefined
  for (const at of HEADERS) {
    const header = yield* need(at, 4096)
    const fields = littleEndian(header)
    const isValid = latin1(header.subarray(0, 4)) === 'head' && fields.u32(4) === crc32c(header, 4)
    const sequence = fields.u64(8)
    // of two that are equally new either may be read (and above 2^53 all are equal here)
    if (isValid && sequence === best?.sequence && !isEqual(header, best.header))
      notes.report('VHDX_HEADER', at + 8)
    if (isValid && (best === undefined || sequence > best.sequence))
      best = { sequence, at, hasLog: !isFilled(header, 48, 64), header: header.slice() }
    if (isValid && fields.u16(66) !== 1) notes.report('VHDX_HEADER', at + 66)
  }
  if (best === undefined) notes.report('VHDX_HEADER', HEADERS[0])
  else if (best.hasLog) notes.report('VHDX_DIRTY_LOG', best.at + 48)
}

function regionsOf(table: Uint8Array): Entry[] | undefined {
  const fields = littleEndian(table)
  const count = fields.u32(8)
  const isValid = latin1(table.subarray(0, 4)) === 'regi' && count <= MOST_ENTRIES
  if (!isValid || fields.u32(4) !== crc32c(table, 4)) return undefined
  return Array.from({ length: count }, (_, index) => {
    const at = 16 + index * 32
    const [offset, length, flags] = [fields.u64(at + 16), fields.u32(at + 24), fields.u32(at + 28)]
    return { guid: guidOf(table.subarray(at, at + 16)), offset, length, flags }
  })
}

/** Reads both region tables, which have to be the same; returns where the metadata lie. */
function* examineRegions(notes: Examination): Steps<Regions | undefined> {
  const [at, second] = REGION_TABLES
  const table = yield* need(at, TABLE_SIZE)
  const regions = regionsOf(table)
  const copy = yield* need(second, TABLE_SIZE)
  if (regions === undefined || !isEqual(table, copy)) {
    notes.report('VHDX_REGION_TABLE', regions === undefined ? at : second)
    return undefined
  }
  for (const [index, { guid, offset, flags }] of regions.entries()) {
    const here = at + 16 + index * 32
    const isKnown = guid === BAT || guid === METADATA
    if (!isKnown && (flags & 1) !== 0) notes.report('VHDX_UNKNOWN_REQUIRED', here)
    if (offset < MIB || offset % MIB !== 0) notes.report('VHDX_REGION_TABLE', here + 16)
  }
  const names = new Set(regions.map(({ guid }) => guid))
  if (names.size !== regions.length || !names.has(BAT)) notes.report('VHDX_REGION_TABLE', at)
  const metadata = regions.find(({ guid }) => guid === METADATA)
  if (metadata === undefined) notes.report('VHDX_REGION_TABLE', at)
  return { metadata, end: Math.max(0, ...regions.map(({ offset, length }) => offset + length)) }
}

function itemsOf(table: Uint8Array, region: Entry): Entry[] | undefined {
  const fields = littleEndian(table)
  const count = fields.u16(10)
  if (latin1(table.subarray(0, 8)) !== 'metadata' || count > MOST_ENTRIES) return undefined
  const items = Array.from({ length: count }, (_, index) => {
    const at = 32 + index * 32
    const [offset, length, flags] = [fields.u32(at + 16), fields.u32(at + 20), fields.u32(at + 24)]
    return { guid: guidOf(table.subarray(at, at + 16)), offset, length, flags }
  })
  const isInside = items.every(
    ({ offset, length }) =>
      length === 0 || (offset >= TABLE_SIZE && offset + length <= region.length)
  )
  // in the order in which they come by
  return isInside ? items.sort((a, b) => a.offset - b.offset) : undefined
}

function* examineItem(item: Entry, at: number, notes: Examination): Steps<void> {
  if (item.guid === PARENT_LOCATOR) notes.report('VHDX_PARENT', at)
  else if (!ITEMS.has(item.guid) && (item.flags & 4) !== 0)
    notes.report('VHDX_UNKNOWN_REQUIRED', at)
  if (item.length !== (ITEMS.get(item.guid) ?? item.length)) notes.report('VHDX_METADATA', at)
  if (item.guid === VIRTUAL_SIZE) notes.size(littleEndian(yield* need(at, 8)).u64(0), at)
  if (item.guid === FILE_PARAMETERS) {
    const flags = littleEndian(yield* need(at, 8)).u32(4)
    notes.facts.subformat = (flags & 1) !== 0 ? 'fixed' : 'dynamic'
    if ((flags & 2) !== 0) notes.report('VHDX_PARENT', at + 4)
  }
  if (item.guid === LOGICAL_SECTOR) {
    const sector = littleEndian(yield* need(at, 4)).u32(0)
    if (sector !== 512 && sector !== 4096) notes.report('VHDX_METADATA', at)
  }
}

function* examineMetadata(region: Entry, notes: Examination): Steps<void> {
  const table = yield* need(region.offset, TABLE_SIZE)
  const items = itemsOf(table, region)
  const names = new Set(items?.map(({ guid }) => guid))
  const isWhole = [FILE_PARAMETERS, VIRTUAL_SIZE, LOGICAL_SECTOR].every((guid) => names.has(guid))
  if (items === undefined || names.size !== items.length || !isWhole) {
    notes.report('VHDX_METADATA', region.offset)
    return
  }
  for (const item of items) yield* examineItem(item, region.offset + item.offset, notes)
}

function* examine(notes: Examination): Steps<void> {
  yield* examineHeaders(notes)
  const regions = yield* examineRegions(notes)
  if (regions === undefined) return
  const { metadata, end } = regions
  if (metadata !== undefined && metadata.offset >= MIB && metadata.length >= TABLE_SIZE)
    yield* examineMetadata(metadata, notes)
  else notes.report('VHDX_METADATA', REGION_TABLES[0])
  const size = yield* wholeSize()
  if (end > size) notes.report('TRUNCATED', size)
}

/** Hyper-V's format (MS-VHDX). */
export const vhdx: Format = { name: 'vhdx', detect: () => hasMagic(0, 'vhdxfile'), examine }
