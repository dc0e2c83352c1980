import t from 'tap'
import { codesOf, inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import type { Layout } from './samples/layout.ts'
import { ITEMS, vhdDynamic, vhdFixed, vhdx } from './samples/microsoft.ts'

const MIB = 2 ** 20
const KIB = 1024
const DISK = 4 * 17 * 512
const END = 2048

type Cases = Readonly<Record<string, readonly [code: string, image: Layout]>>

/** Both the footer and its copy. */
const both = (change: (it: Layout, at: number) => void) => (it: Layout) => {
  for (const at of [0, END]) change(it, at)
}
const tables = (change: (it: Layout, at: number) => void) => (it: Layout) => {
  for (const at of [192 * KIB, 256 * KIB]) change(it, at)
}
const PARAMETERS = [ITEMS.parameters, [0, 0, 32, 0, 0, 0, 0, 0]] as const
const SIZE = [ITEMS.size, [0, 0, 0, 1, 0, 0, 0, 0]] as const
const SECTOR = [ITEMS.sector, [0, 2, 0, 0]] as const
const UNKNOWN = '00112233445566778899aabbccddeeff'

const refused: Cases = {
  'vhd of differencing type': [
    'VHD_DIFFERENCING',
    vhdDynamic(both((it, at) => it.u32(at + 60, 4)))
  ],
  'vhd fixed of differencing type': ['VHD_DIFFERENCING', vhdFixed((it) => it.u32(DISK + 60, 4))],
  'vhd with a parent': ['VHD_DIFFERENCING', vhdDynamic((it) => it.u8(552, 1))],
  'vhd with a parent’s name': ['VHD_DIFFERENCING', vhdDynamic((it) => it.u8(577, 65))],
  'vhd with a parent locator': ['VHD_DIFFERENCING', vhdDynamic((it) => it.text(512 + 576, 'W2ku'))],
  'vhd with a wrong checksum': ['VHD_CHECKSUM', vhdFixed().u8(DISK + 100, 1)],
  'vhd with a wrong checksum of its header': ['VHD_CHECKSUM', vhdDynamic().u32(536, 0x00020000)],
  'vhd of version 2': ['VHD_HEADER', vhdFixed((it) => it.u32(DISK + 12, 0x00020000))],
  'vhd fixed of unknown type': ['VHD_HEADER', vhdFixed((it) => it.u32(DISK + 60, 5))],
  'vhd dynamic of fixed type': ['VHD_HEADER', vhdDynamic(both((it, at) => it.u32(at + 60, 2)))],
  'vhd whose footer differs from its copy': [
    'VHD_FOOTER_MISMATCH',
    vhdDynamic((it) => it.u64(END + 48, 512))
  ],
  'vhd of more than its footer says': [
    'VHD_FOOTER_MISMATCH',
    vhdFixed((it) => it.u64(DISK + 48, DISK - 512))
  ],
  'vhd of less than its footer says': [
    'TRUNCATED',
    vhdFixed((it) => it.u64(DISK + 48, DISK + 512))
  ],
  'vhd dynamic without its head': ['TRUNCATED', vhdFixed((it) => it.u32(DISK + 60, 3))],
  'vhd with its header far away': [
    'VHD_HEADER',
    vhdDynamic(both((it, at) => it.u64(at + 16, 2 ** 40)))
  ],
  'vhd with its header in the footer': [
    'VHD_HEADER',
    vhdDynamic(both((it, at) => it.u64(at + 16, 0)))
  ],
  'vhd with a damaged header': ['VHD_HEADER', vhdDynamic((it) => it.text(512, 'XXXX'))],
  'vhd with its table behind the end': [
    'OFFSET_BEYOND_EOF',
    vhdDynamic((it) => it.u64(528, 2 ** 40))
  ],
  'vhd with too small a table': ['VHD_HEADER', vhdDynamic((it) => it.u32(540, 0))],
  'vhd of blocks of 3 bytes': ['VHD_HEADER', vhdDynamic((it) => it.u32(544, 3))],
  'vhd of an absurd size': ['VIRTUAL_SIZE_CAP', vhdFixed((it) => it.u64(DISK + 48, 2n ** 60n))],

  'vhdx with a parent': [
    'VHDX_PARENT',
    vhdx(undefined, { items: [[ITEMS.parameters, [0, 0, 32, 0, 2, 0, 0, 0]], SIZE, SECTOR] })
  ],
  'vhdx with a parent locator': [
    'VHDX_PARENT',
    vhdx(undefined, { items: [PARAMETERS, SIZE, SECTOR, [ITEMS.parent, [1, 2, 3, 4]]] })
  ],
  'vhdx with a log': ['VHDX_DIRTY_LOG', vhdx((it) => it.u8(128 * KIB + 48, 1))],
  'vhdx with two newest headers': [
    'VHDX_HEADER',
    vhdx((it) => it.u64(128 * KIB + 8, 5).u8(128 * KIB + 20, 1))
  ],
  'vhdx without a sound header': [
    'VHDX_HEADER',
    vhdx()
      .u8(64 * KIB + 100, 1)
      .u8(128 * KIB + 100, 1)
  ],
  'vhdx of version 2': ['VHDX_HEADER', vhdx((it) => it.u16(64 * KIB + 66, 2))],
  'vhdx whose second region table differs': [
    'VHDX_REGION_TABLE',
    vhdx((it) => it.u64(256 * KIB + 32, 2 * MIB))
  ],
  'vhdx with a damaged region table': ['VHDX_REGION_TABLE', vhdx().u8(192 * KIB + 100, 1)],
  'vhdx with 2048 regions': ['VHDX_REGION_TABLE', vhdx(tables((it, at) => it.u32(at + 8, 2048)))],
  'vhdx with no region': ['VHDX_REGION_TABLE', vhdx(tables((it, at) => it.u32(at + 8, 0)))],
  'vhdx with a region twice': [
    'VHDX_REGION_TABLE',
    vhdx(tables((it, at) => it.put(at + 48, it.bytes.slice(at + 16, at + 32))))
  ],
  'vhdx with an unknown region': [
    'VHDX_UNKNOWN_REQUIRED',
    vhdx(
      tables((it, at) =>
        it
          .u32(at + 8, 3)
          .hex(at + 80, UNKNOWN)
          .u64(at + 96, MIB)
          .u32(at + 108, 1)
      )
    )
  ],
  'vhdx with a region in the header': [
    'VHDX_REGION_TABLE',
    vhdx(tables((it, at) => it.u64(at + 64, 0)))
  ],
  'vhdx with a region between MiB': [
    'VHDX_REGION_TABLE',
    vhdx(tables((it, at) => it.u64(at + 64, MIB + 512)))
  ],
  'vhdx with a region behind the end': [
    'TRUNCATED',
    vhdx(tables((it, at) => it.u64(at + 64, 3 * MIB)))
  ],
  'vhdx with damaged metadata': ['VHDX_METADATA', vhdx((it) => it.text(MIB, 'XXXX'))],
  'vhdx with 2048 items': ['VHDX_METADATA', vhdx((it) => it.u16(MIB + 10, 2048))],
  'vhdx with an item in the table': ['VHDX_METADATA', vhdx((it) => it.u32(MIB + 32 + 16, 32))],
  'vhdx with an item behind its region': [
    'VHDX_METADATA',
    vhdx((it) => it.u32(MIB + 32 + 16, MIB))
  ],
  'vhdx with a size of no bytes': [
    'VHDX_METADATA',
    vhdx(undefined, { items: [PARAMETERS, [ITEMS.size, []], SECTOR] })
  ],
  'vhdx with a size twice': [
    'VHDX_METADATA',
    vhdx(undefined, { items: [PARAMETERS, SIZE, SIZE, SECTOR] })
  ],
  'vhdx without a size': ['VHDX_METADATA', vhdx(undefined, { items: [PARAMETERS, SECTOR] })],
  'vhdx of sectors of 1 KiB': [
    'VHDX_METADATA',
    vhdx(undefined, { items: [PARAMETERS, SIZE, [ITEMS.sector, [0, 4, 0, 0]]] })
  ],
  'vhdx with an unknown item': [
    'VHDX_UNKNOWN_REQUIRED',
    vhdx(undefined, { items: [PARAMETERS, SIZE, SECTOR, [UNKNOWN, [1]]] })
  ],
  'vhdx of an absurd size': [
    'VIRTUAL_SIZE_CAP',
    vhdx(undefined, { items: [PARAMETERS, [ITEMS.size, [0, 0, 0, 0, 0, 0, 0, 16]], SECTOR] })
  ]
}

for (const [name, [code, image]] of Object.entries(refused)) rejects(name, code, image)

/** A footer of whole sectors before one that readers find who round the size up. */
const FOOTER = vhdFixed().bytes.subarray(-512)
rejects(
  'vhd with a second footer in a last sector that is not whole',
  'VHD_FOOTER_MISMATCH',
  Buffer.concat([new Uint8Array(DISK + 256), FOOTER.subarray(0, 256), FOOTER.subarray(0, 256)])
)
rejects(
  'vhd with its footer in a last sector that is not whole',
  'VHD_FOOTER_MISMATCH',
  Buffer.concat([new Uint8Array(DISK), FOOTER.subarray(0, 511)])
)

t.test('S-10 a parent is seen behind any number of findings', async (t) => {
  const image = vhdx(
    tables((it, at) => {
      it.u32(at + 8, 252)
      for (let entry = at + 80; entry < at + 16 + 252 * 32; entry += 32)
        it.u32(entry, entry - at)
          .u64(entry + 16, MIB)
          .u32(entry + 28, 1)
    }),
    { items: [[ITEMS.parameters, [0, 0, 32, 0, 2, 0, 0, 0]], SIZE, SECTOR] }
  )
  const report = inspect(image.bytes, 65536, { severities: { VHDX_UNKNOWN_REQUIRED: 'warn' } })
  t.equal(report.verdict, 'unsafe')
  t.ok(codesOf(report).includes('VHDX_PARENT'))
})

warns(
  'vhd of another geometry',
  'VHD_GEOMETRY',
  vhdFixed((it) => it.u16(DISK + 56, 2))
)
warns('vhdx whose older header is damaged', undefined, vhdx().u8(64 * KIB + 100, 1))
warns(
  'vhdx with two equal headers',
  undefined,
  vhdx((it) => it.u64(128 * KIB + 8, 5))
)
warns(
  'vhdx with an unknown item that nobody needs',
  undefined,
  vhdx(undefined, { items: [PARAMETERS, SIZE, SECTOR, [UNKNOWN, [1], 0]] })
)

t.test('what is said of a vhd or vhdx image', async (t) => {
  t.match(inspect(vhdFixed().bytes), { subformat: 'fixed', content: 'unknown' })
  t.match(inspect(vhdDynamic().bytes), { subformat: 'dynamic' })
  const fixed = vhdx(undefined, {
    items: [[ITEMS.parameters, [0, 0, 32, 0, 1, 0, 0, 0]], SIZE, SECTOR]
  })
  t.match(inspect(fixed.bytes), { subformat: 'fixed', virtualSize: 16777216 })
})
