import t from 'tap'
import { iso, luks1, luks2, parallels, qed, vdi } from './samples/disks.ts'
import { inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import type { Layout } from './samples/layout.ts'
import { gpt, mbr } from './samples/tables.ts'

type Cases = Readonly<Record<string, readonly [code: string, image: Layout]>>

const FAR = 2 ** 31

const refused: Cases = {
  'vdi of undo type': ['VDI_DIFFERENCING', vdi((it) => it.u32(0x4c, 3))],
  'vdi of differencing type': ['VDI_DIFFERENCING', vdi((it) => it.u32(0x4c, 4))],
  'vdi of unknown type': ['VDI_HEADER', vdi((it) => it.u32(0x4c, 5))],
  'vdi with a link': ['VDI_DIFFERENCING', vdi((it) => it.u8(0x1a8, 1))],
  'vdi with a parent': ['VDI_DIFFERENCING', vdi((it) => it.u8(0x1c7, 1))],
  'vdi of version 2': ['VDI_HEADER', vdi((it) => it.u32(0x44, 0x00020000))],
  'vdi of sectors of 4 KiB': ['VDI_HEADER', vdi((it) => it.u32(0x168, 4096))],
  'vdi of blocks of 2 MiB': ['VDI_HEADER', vdi((it) => it.u32(0x178, 2 ** 21))],
  'vdi of too many blocks': ['VDI_HEADER', vdi((it) => it.u32(0x180, 0x40000000))],
  'vdi of too few blocks': ['VDI_HEADER', vdi((it) => it.u32(0x180, 3))],
  'vdi of more used blocks than blocks': ['VDI_HEADER', vdi((it) => it.u32(0x184, 5))],
  'vdi with its map in the header': ['VDI_HEADER', vdi((it) => it.u32(0x154, 0))],
  'vdi with its map between sectors': ['VDI_HEADER', vdi((it) => it.u32(0x154, 513))],
  'vdi with its map behind the end': ['OFFSET_BEYOND_EOF', vdi((it) => it.u32(0x154, FAR))],
  'vdi with its data in the map': ['VDI_HEADER', vdi((it) => it.u32(0x158, 512))],
  'vdi without its data': ['TRUNCATED', vdi((it) => it.u32(0x184, 1))],
  'vdi of an absurd size': ['VIRTUAL_SIZE_CAP', vdi((it) => it.u64(0x170, 2n ** 60n))],

  'qed with a backing file': ['QED_BACKING', qed((it) => it.u64(16, 1))],
  'qed with the name of a backing file': ['QED_BACKING', qed((it) => it.u32(60, 4))],
  'qed with an unknown feature': ['QED_HEADER', qed((it) => it.u64(16, 8))],
  'qed of clusters of 2 KiB': ['QED_HEADER', qed((it) => it.u32(4, 2048))],
  'qed of clusters of 128 MiB': ['QED_HEADER', qed((it) => it.u32(4, 2 ** 27))],
  'qed of clusters of 0 bytes': ['QED_HEADER', qed((it) => it.u32(4, 0))],
  'qed of tables of 3 clusters': ['QED_HEADER', qed((it) => it.u32(8, 3))],
  'qed of tables of 32 clusters': ['QED_HEADER', qed((it) => it.u32(8, 32))],
  'qed without a header': ['QED_HEADER', qed((it) => it.u32(12, 0))],
  'qed with its table in the header': ['QED_HEADER', qed((it) => it.u64(40, 0))],
  'qed with its table behind the end': ['OFFSET_BEYOND_EOF', qed((it) => it.u64(40, FAR))],
  'qed of more than its tables cover': ['QED_HEADER', qed((it) => it.u64(48, 2 ** 45))],

  'parallels that is open': ['PARALLELS_IN_USE', parallels((it) => it.u32(44, 0x746f6e59))],
  'parallels of version 3': ['PARALLELS_HEADER', parallels((it) => it.u32(16, 3))],
  'parallels of clusters of 0 bytes': ['PARALLELS_HEADER', parallels((it) => it.u32(28, 0))],
  'parallels of too few clusters': ['PARALLELS_HEADER', parallels((it) => it.u32(32, 15))],
  'parallels of too many clusters': ['TRUNCATED', parallels((it) => it.u32(32, FAR))],
  'parallels with its data in the table': [
    'PARALLELS_HEADER',
    parallels((it) => it.u32(48, 0 + 1).u32(32, 512))
  ],
  'parallels with its data behind the end': [
    'OFFSET_BEYOND_EOF',
    parallels((it) => it.u32(48, 17))
  ],
  'parallels with an extension behind the end': [
    'OFFSET_BEYOND_EOF',
    parallels((it) => it.u64(56, 17))
  ],
  'parallels of an absurd size': ['VIRTUAL_SIZE_CAP', parallels((it) => it.u64(36, 2n ** 62n))],

  'luks of version 3': ['LUKS_VERSION', luks1((it) => it.u16(6, 3))],
  'luks 1 without a payload': ['TRUNCATED', luks1((it) => it.u32(104, 16))],
  'luks 1 with its payload in the header': ['LUKS_HEADER', luks1((it) => it.u32(104, 1))],
  'luks 1 of no key': ['LUKS_HEADER', luks1((it) => it.u32(108, 0))],
  'luks 1 of a long key': ['LUKS_HEADER', luks1((it) => it.u32(108, 513))],
  'luks 2 of a short header': ['LUKS_HEADER', luks2((it) => it.u64(8, 4096))],
  'luks 2 of a header of 8 MiB': ['LUKS_HEADER', luks2((it) => it.u64(8, 2 ** 23))],
  'luks 2 without its second header': ['LUKS_HEADER', luks2((it) => it.text(16384, 'XXXX'))],
  'luks 2 without a description': ['LUKS_HEADER', luks2(undefined, '')],
  'luks 2 with half a description': ['LUKS_HEADER', luks2(undefined, '{"segments":{')],
  'luks 2 without segments': ['LUKS_HEADER', luks2(undefined, '{}')],
  'luks 2 with a strange offset': [
    'LUKS_HEADER',
    luks2(undefined, '{"segments":{"0":{"offset":"x"}}}')
  ],
  'luks 2 with a description of arrays in arrays': [
    'LUKS_HEADER',
    luks2(undefined, `{"segments":{"0":{"offset":"32768"}},"x":${'['.repeat(8)}${']'.repeat(8)}}`)
  ],
  'luks 2 without a payload': [
    'TRUNCATED',
    luks2(undefined, '{"segments":{"0":{"offset":"65536"}}}')
  ],

  'iso that says 1 TiB': ['TRUNCATED', iso((it) => it.u32(32768 + 80, 2 ** 29))],
  'iso of no blocks': ['ISO_HEADER', iso((it) => it.u32(32768 + 80, 0))],
  'iso without a primary volume': ['ISO_HEADER', iso((it) => it.u8(32768, 2))],
  'iso with a damaged descriptor': ['ISO_HEADER', iso((it) => it.text(32768 + 2049, 'XXXX'))],

  'mbr with a strange flag': ['MBR_BOOT_FLAG', mbr((it) => it.u8(446, 0x81))],
  'mbr without partitions': ['MBR_EMPTY', mbr((it) => it.put(446, new Uint8Array(16)))],
  'mbr with a partition behind the end': ['OFFSET_BEYOND_EOF', mbr((it) => it.u32(458, 64))],
  'gpt with another start of its protection': ['MBR_PROTECTIVE', gpt((it) => it.u32(454, 2))],
  'gpt with other heads of its protection': ['MBR_PROTECTIVE', gpt((it) => it.u8(448, 1))],
  'gpt with another partition': ['MBR_PROTECTIVE', gpt((it) => it.u8(466, 0x83))],
  'gpt with its backup behind the end': ['TRUNCATED', gpt((it) => it.u64(512 + 32, 64))]
}

for (const [name, [code, image]] of Object.entries(refused)) rejects(name, code, image)

warns(
  'qed that was not closed',
  'QED_DIRTY',
  qed((it) => it.u64(16, 2))
)
warns('gpt with a wrong checksum', 'GPT_HEADER', gpt().u32(512 + 88, 1))
warns(
  'gpt of revision 2',
  'GPT_HEADER',
  gpt((it) => it.u32(512 + 8, 0x00020000))
)
warns(
  'gpt without its header',
  'GPT_HEADER',
  gpt((it) => it.text(512, 'XXXXXXXX'))
)
warns(
  'gpt with more behind it',
  'TRAILING_DATA',
  gpt((it) => it.u64(512 + 32, 62))
)
warns(
  'iso with more behind it',
  'TRAILING_DATA',
  iso((it) => it.u32(32768 + 80, 19))
)
warns(
  'luks 2 with a long header',
  undefined,
  luks2(undefined, '{"segments":{"0":{"offset":"2097152"}}}', 2 ** 20)
)

t.test('what is said of disks', async (t) => {
  t.match(inspect(luks2().bytes), { encrypted: true, subformat: 'v2' })
  t.match(inspect(iso().bytes), { subformat: 'iso9660, bootable' })
  t.match(inspect(mbr().bytes), { content: 'mbr' })
  t.match(inspect(gpt().bytes), { content: 'gpt' })
})

t.test('S-12 a description that makes a pattern go back costs little', async (t) => {
  const json = `"${'\\"'.repeat(29_000)}`
  const from = process.cpuUsage()
  t.match(inspect(luks2(undefined, json, 65536).bytes), { verdict: 'unsafe' })
  t.ok(process.cpuUsage(from).user < 1_000_000, 'less than a second')
})
