import t from 'tap'
import { qcow2, qcow2v2 } from './samples/disks.ts'
import { inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import type { Change, Layout } from './samples/layout.ts'

const EXTENSIONS = 112
const extension = (layout: Layout, at: number, type: number, length: number): Layout =>
  layout.u32(at, type).u32(at + 4, length)

const refused: Readonly<Record<string, readonly [code: string, change: Change]>> = {
  'S-10 a backing file': ['QCOW2_BACKING_FILE', (it) => it.u64(8, 512).u32(16, 11)],
  'S-10 the length of a backing file’s name alone': ['QCOW2_BACKING_FILE', (it) => it.u32(16, 1)],
  'S-10 the bit of a data file': ['QCOW2_DATA_FILE', (it) => it.u64(72, 4)],
  'S-10 the name of a data file without its bit': [
    'QCOW2_DATA_FILE',
    (it) => extension(it, EXTENSIONS, 0x44415441, 8)
  ],
  'S-10 the name of a data file behind others': [
    'QCOW2_DATA_FILE',
    (it) => extension(it, EXTENSIONS + 56, 0x44415441, 8)
  ],
  'S-10 raw external data': ['QCOW2_DATA_FILE', (it) => it.u64(88, 2)],
  'version 1': ['QCOW2_VERSION', (it) => it.u32(4, 1)],
  'version 4': ['QCOW2_VERSION', (it) => it.u32(4, 4)],
  'clusters of 256 bytes': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(20, 8)],
  'clusters of 4 MiB': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(20, 22)],
  'clusters of 1 GiB': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(20, 30)],
  'small clusters with subclusters': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(20, 13).u64(72, 16)],
  'a size of half a sector': ['QCOW2_TABLE_BOUNDS', (it) => it.u64(24, 1048832)],
  'a size of 2^63-512': ['VIRTUAL_SIZE_CAP', (it) => it.u64(24, 2n ** 63n - 512n)],
  'a size of 1 PiB': ['VIRTUAL_SIZE_CAP', (it) => it.u64(24, 2 ** 50)],
  AES: ['QCOW2_AES', (it) => it.u32(32, 1)],
  'LUKS without its header': ['QCOW2_CRYPT_HEADER', (it) => it.u32(32, 2)],
  'an unknown encryption': ['QCOW2_CRYPT_HEADER', (it) => it.u32(32, 3)],
  'LUKS with its header behind the end': [
    'OFFSET_BEYOND_EOF',
    (it) =>
      extension(it.u32(32, 2), EXTENSIONS, 0x0537be77, 16)
        .u64(120, 65536 * 8)
        .u64(128, 512)
  ],
  'LUKS with its header at an odd place': [
    'QCOW2_CRYPT_HEADER',
    (it) => extension(it.u32(32, 2), EXTENSIONS, 0x0537be77, 16).u64(120, 65537).u64(128, 512)
  ],
  'an L1 table of more than 32 MiB': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(36, 2 ** 22 + 1)],
  'an L1 table that is too small': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(36, 0)],
  'an L1 table between clusters': ['QCOW2_TABLE_BOUNDS', (it) => it.u64(40, 65536 + 512)],
  'an L1 table in the header': ['QCOW2_TABLE_BOUNDS', (it) => it.u64(40, 0)],
  'an L1 table behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(40, 2 ** 40)],
  'no reference counts': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(56, 0)],
  'reference counts of more than 8 MiB': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(56, 129)],
  'reference counts in the header': ['QCOW2_TABLE_BOUNDS', (it) => it.u64(48, 0)],
  'reference counts behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(48, 2 ** 40)],
  '2^32-1 snapshots': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(60, 2 ** 32 - 1).u64(64, 131072)],
  'snapshots behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u32(60, 1).u64(64, 2 ** 40)],
  'the bit of a corrupt image': ['QCOW2_CORRUPT', (it) => it.u64(72, 2)],
  'an unknown feature': ['QCOW2_UNKNOWN_INCOMPAT', (it) => it.u64(72, 32)],
  'the last unknown feature': ['QCOW2_UNKNOWN_INCOMPAT', (it) => it.u64(72, 2n ** 63n)],
  'reference counts of 128 bits': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(96, 7)],
  'a short header': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(100, 72)],
  'a header of odd length': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(100, 111)],
  'a header of 4 GiB': ['QCOW2_TABLE_BOUNDS', (it) => it.u32(100, 2 ** 32 - 8)],
  'a compression that is not declared': ['QCOW2_UNKNOWN_INCOMPAT', (it) => it.u8(104, 1)],
  'a declared compression that is none': ['QCOW2_UNKNOWN_INCOMPAT', (it) => it.u64(72, 8)],
  'an unknown compression': ['QCOW2_UNKNOWN_INCOMPAT', (it) => it.u64(72, 8).u8(104, 2)],
  'an extension of 4 GiB': [
    'QCOW2_TABLE_BOUNDS',
    (it) => extension(it, EXTENSIONS, 1, 2 ** 32 - 1)
  ],
  'endless extensions': [
    'QCOW2_TABLE_BOUNDS',
    (it) => {
      for (let at = EXTENSIONS; at < 65536; at += 8) extension(it, at, 1, 0)
    }
  ]
}

for (const [name, [code, change]] of Object.entries(refused))
  rejects(`qcow2 with ${name}`, code, qcow2(change))

rejects(
  'S-10 qcow2 version 2 with a backing file',
  'QCOW2_BACKING_FILE',
  qcow2v2((it) => it.u64(8, 76))
)
rejects(
  'S-10 qcow2 version 2 with the name of a data file at 72',
  'QCOW2_DATA_FILE',
  qcow2v2((it) => extension(it, 72, 0x44415441, 8))
)

warns(
  'qcow2 that was not closed',
  'QCOW2_DIRTY',
  qcow2((it) => it.u64(72, 1))
)
warns(
  'qcow2 with subclusters',
  'QCOW2_EXTENDED_L2',
  qcow2((it) => it.u64(72, 16))
)
warns(
  'qcow2 with a snapshot',
  'QCOW2_SNAPSHOTS',
  qcow2((it) => it.u32(60, 1).u64(64, 131072))
)
warns(
  'qcow2 packed by zstd',
  undefined,
  qcow2((it) => it.u64(72, 8).u8(104, 1))
)
warns(
  'qcow2 with unknown compatible features',
  undefined,
  qcow2((it) => it.u64(80, 2n ** 63n))
)
warns(
  'qcow2 encrypted by LUKS',
  undefined,
  qcow2((it) => extension(it.u32(32, 2), EXTENSIONS, 0x0537be77, 16).u64(120, 131072).u64(128, 512))
)

t.test('what is said of a qcow2 image', async (t) => {
  t.match(inspect(qcow2v2().bytes), { subformat: 'v2', encrypted: false })
  t.match(inspect(qcow2((it) => it.u32(32, 1)).bytes), { subformat: 'v3', encrypted: true })
})
