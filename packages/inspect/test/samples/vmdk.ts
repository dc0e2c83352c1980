import { type Change, Layout, unchanged } from './layout.ts'

const SECTOR = 512
const NOWHERE = 2n ** 64n - 1n

export const DESCRIPTOR = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicSparse"

# Extent description
RW 2048 SPARSE "disk.vmdk"

# The Disk Data Base
#DDB
ddb.adapterType = "ide"
`

function header(layout: Layout, at: number): Layout {
  return layout
    .text(at, 'KDMV')
    .u32(at + 4, 1)
    .u32(at + 8, 3)
    .u64(at + 12, 2048)
    .u64(at + 20, 128)
    .u64(at + 28, 1)
    .u64(at + 36, 20)
    .u32(at + 44, 512)
    .u64(at + 48, 21)
    .u64(at + 56, 26)
    .u64(at + 64, 31)
    .u8(at + 72, 0)
    .text(at + 73, '\n \r\n')
    .u16(at + 77, 0)
}

/** A sparse disk of 1 MiB. */
export function vmdk(change: Change = unchanged, descriptor = DESCRIPTOR): Layout {
  const layout = header(new Layout(64 * SECTOR, true), 0).text(SECTOR, descriptor)
  change(layout)
  return layout
}

/** The streamed form, whose header comes again at the end. */
export function vmdkStream(change: Change = unchanged): Layout {
  const size = 64 * SECTOR
  const layout = new Layout(size, true)
  for (const at of [0, size - 2 * SECTOR]) {
    header(layout, at)
      .u32(at + 4, 3)
      .u32(at + 8, 0x30001)
      .u64(at + 48, 0)
      .u16(at + 77, 1)
  }
  layout
    .text(SECTOR, DESCRIPTOR.replace('monolithicSparse', 'streamOptimized'))
    .u64(56, NOWHERE)
    .u64(size - 3 * SECTOR, 1)
    .u32(size - 3 * SECTOR + 8, 0)
    .u32(size - 3 * SECTOR + 12, 3)
    .put(size - SECTOR, new Uint8Array(16))
  change(layout)
  return layout
}
