import { crc32 } from '../../src/fields.ts'
import { type Change, Layout, unchanged } from './layout.ts'

/** A disk with one partition of 63 sectors. */
export function mbr(change: Change = unchanged): Layout {
  const layout = new Layout(64 * 512, true)
    .u8(446, 0x80)
    .put(447, [0, 2, 0])
    .u8(450, 0x83)
    .put(451, [0, 64, 0])
    .u32(454, 1)
    .u32(458, 63)
    .put(510, [0x55, 0xaa])
  change(layout)
  return layout
}

/** A disk of 64 sectors with a GPT. */
export function gpt(change: Change = unchanged, sector = 512): Layout {
  const size = 64 * sector
  const layout = new Layout(size, true)
    .put(447, [0, 2, 0])
    .u8(450, 0xee)
    .put(451, [0xff, 0xff, 0xff])
    .u32(454, 1)
    .u32(458, 63)
    .put(510, [0x55, 0xaa])
    .text(sector, 'EFI PART')
    .u32(sector + 8, 0x00010000)
    .u32(sector + 12, 92)
    .u64(sector + 24, 1)
    .u64(sector + 32, 63)
    .u64(sector + 40, 34)
    .u64(sector + 48, 30)
    .u64(sector + 72, 2)
    .u32(sector + 80, 128)
    .u32(sector + 84, 128)
    .u32(sector + 88, 0)
  change(layout)
  return layout.u32(sector + 16, crc32(layout.bytes.subarray(sector, sector + 92), 16))
}
