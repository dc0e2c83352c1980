import { crc32c } from '../../src/fields.ts'
import { type Change, Layout, unchanged } from './layout.ts'

const MIB = 2 ** 20
const KIB = 1024

const BAT = '6677c22d23f600429d64115e9bfd4a08'
const METADATA = '06a27c8b90479a4bb8fe575f050f886e'
export const ITEMS = {
  parameters: '3767a1ca36fa434db3b633f0aa44e76b',
  size: '2442a52f1bcd7648b2115dbed83bf4b8',
  sector: '1dbf41816fa90947ba47f233a8faab5f',
  parent: '2d5fd3a80bb34d45abf7d3d84834ab0c'
} as const

function sum(layout: Layout, from: number, length: number, at: number): void {
  let total = 0
  layout.u32(at, 0)
  for (const byte of layout.bytes.subarray(from, from + length)) total += byte
  layout.u32(at, ~total >>> 0)
}

function vhdFooter(layout: Layout, at: number, size: number, type: number): void {
  layout
    .text(at, 'conectix')
    .u32(at + 8, 2)
    .u32(at + 12, 0x00010000)
    .u64(at + 16, type === 2 ? 2n ** 64n - 1n : 512)
    .text(at + 28, 'tank')
    .u64(at + 40, size)
    .u64(at + 48, size)
    .u16(at + 56, size / 512 / 4 / 17)
    .u8(at + 58, 4)
    .u8(at + 59, 17)
    .u32(at + 60, type)
    .put(at + 68, new Uint8Array(16).fill(7))
}

const VHD_DISK = 4 * 17 * 512

export function vhdFixed(change: Change = unchanged): Layout {
  const layout = new Layout(VHD_DISK + 512, false)
  vhdFooter(layout, VHD_DISK, VHD_DISK, 2)
  change(layout)
  sum(layout, VHD_DISK, 512, VHD_DISK + 64)
  return layout
}

/** The change sees the footer's copy at 0 and the footer itself before they get their checksums. */
export function vhdDynamic(change: Change = unchanged): Layout {
  const end = 2048
  const layout = new Layout(end + 512, false)
    .text(512, 'cxsparse')
    .u64(520, 2n ** 64n - 1n)
    .u64(528, 1536)
    .u32(536, 0x00010000)
    .u32(540, 4)
    .u32(544, 2 * MIB)
    .put(552, new Uint8Array(16))
    .put(576, new Uint8Array(512))
  for (const at of [0, end]) vhdFooter(layout, at, VHD_DISK, 3)
  change(layout)
  sum(layout, 512, 1024, 548)
  for (const at of [0, end]) sum(layout, at, 512, at + 64)
  return layout
}

export interface VhdxParts {
  readonly items?: readonly (readonly [guid: string, bytes: readonly number[], flags?: number])[]
}

const u64 = (value: number): number[] => [
  ...Buffer.from(new BigUint64Array([BigInt(value)]).buffer)
]

/** The smallest VHDX file: three regions of 1 MiB. */
export function vhdx(change: Change = unchanged, parts: VhdxParts = {}): Layout {
  const layout = new Layout(3 * MIB, true).text(0, 'vhdxfile')
  for (const [index, at] of [64 * KIB, 128 * KIB].entries()) {
    layout
      .text(at, 'head')
      .u64(at + 8, 5 + index)
      .put(at + 48, new Uint8Array(16))
      .u16(at + 64, 0)
      .u16(at + 66, 1)
  }
  for (const at of [192 * KIB, 256 * KIB]) {
    layout.text(at, 'regi').u32(at + 8, 2)
    layout
      .hex(at + 16, METADATA)
      .u64(at + 32, MIB)
      .u32(at + 40, MIB)
      .u32(at + 44, 1)
    layout
      .hex(at + 48, BAT)
      .u64(at + 64, 2 * MIB)
      .u32(at + 72, MIB)
      .u32(at + 76, 1)
  }
  const items = parts.items ?? [
    [ITEMS.parameters, [0, 0, 32, 0, 0, 0, 0, 0]],
    [ITEMS.size, u64(8 * MIB)],
    [ITEMS.sector, [0, 2, 0, 0]]
  ]
  layout.text(MIB, 'metadata').u16(MIB + 10, items.length)
  for (const [index, [guid, bytes, flags = 4]] of items.entries()) {
    const at = MIB + 32 + index * 32
    const offset = 64 * KIB + index * 64
    layout
      .hex(at, guid)
      .u32(at + 16, offset)
      .u32(at + 20, bytes.length)
      .u32(at + 24, flags)
    layout.put(MIB + offset, bytes)
  }
  change(layout)
  for (const at of [64 * KIB, 128 * KIB])
    layout.u32(at + 4, crc32c(layout.bytes.subarray(at, at + 4096), 4))
  for (const at of [192 * KIB, 256 * KIB])
    layout.u32(at + 4, crc32c(layout.bytes.subarray(at, at + 65536), 4))
  return layout
}
