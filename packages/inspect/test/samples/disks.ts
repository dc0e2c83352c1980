import { type Change, Layout, unchanged } from './layout.ts'

const MIB = 2 ** 20

/** A qcow2 image of version 3 with an empty disk of 1 MiB, in four clusters of 64 KiB. */
export function qcow2(change: Change = unchanged): Layout {
  const cluster = 65536
  const layout = new Layout(4 * cluster, false)
    .text(0, 'QFI\xfb')
    .u32(4, 3)
    .u64(8, 0)
    .u32(16, 0)
    .u32(20, 16)
    .u64(24, MIB)
    .u32(32, 0)
    .u32(36, 1)
    .u64(40, 3 * cluster)
    .u64(48, cluster)
    .u32(56, 1)
    .u32(60, 0)
    .u64(64, 0)
    .u64(72, 0)
    .u64(80, 0)
    .u64(88, 0)
    .u32(96, 4)
    .u32(100, 112)
    .u8(104, 0)
    // the names of features, then the end of the extensions
    .u32(112, 0x6803f857)
    .u32(116, 48)
    .text(120, '\0\x00dirty bit')
    .u32(168, 0)
    .u32(172, 0)
  change(layout)
  return layout
}

/** The same of version 2, with clusters of 512 bytes. */
export function qcow2v2(change: Change = unchanged): Layout {
  const layout = new Layout(4096, false)
    .text(0, 'QFI\xfb')
    .u32(4, 2)
    .u32(20, 9)
    .u64(24, MIB)
    .u32(36, 32)
    .u64(40, 1024)
    .u64(48, 512)
    .u32(56, 1)
    .u32(60, 0)
    .u64(64, 0)
    .u32(72, 0)
  change(layout)
  return layout
}

export function qed(change: Change = unchanged): Layout {
  const layout = new Layout(4 * 4096, true)
    .text(0, 'QED\0')
    .u32(4, 4096)
    .u32(8, 2)
    .u32(12, 1)
    .u64(16, 0)
    .u64(24, 0)
    .u64(32, 0)
    .u64(40, 4096)
    .u64(48, MIB)
    .u32(56, 0)
    .u32(60, 0)
  change(layout)
  return layout
}

export function vdi(change: Change = unchanged): Layout {
  const layout = new Layout(2048, true)
    .text(0, '<<< Tank VM Disk Image >>>\n')
    .u32(0x40, 0xbeda107f)
    .u32(0x44, 0x00010001)
    .u32(0x48, 0x190)
    .u32(0x4c, 1)
    .u32(0x154, 512)
    .u32(0x158, 1024)
    .u32(0x168, 512)
    .u64(0x170, 4 * MIB)
    .u32(0x178, MIB)
    .u32(0x180, 4)
    .u32(0x184, 0)
    .put(0x1a8, new Uint8Array(16))
    .put(0x1b8, new Uint8Array(16))
  change(layout)
  return layout
}

export function parallels(change: Change = unchanged): Layout {
  const layout = new Layout(8192, true)
    .text(0, 'WithouFreSpacExt')
    .u32(16, 2)
    .u32(20, 16)
    .u32(24, 2)
    .u32(28, 128)
    .u32(32, 16)
    .u64(36, 2048)
    .u32(44, 0)
    .u32(48, 8)
    .u32(52, 0)
    .u64(56, 0)
  change(layout)
  return layout
}

export function luks1(change: Change = unchanged): Layout {
  const layout = new Layout(8192, false)
    .text(0, 'LUKS\xba\xbe')
    .u16(6, 1)
    .text(8, 'aes')
    .text(40, 'xts-plain64')
    .text(72, 'sha256')
    .u32(104, 8)
    .u32(108, 32)
    .u32(164, 1000)
  for (let slot = 0; slot < 8; slot++) layout.u32(208 + slot * 48, 0x0000dead)
  change(layout)
  return layout
}

const LUKS2_JSON = '{"keyslots":{},"segments":{"0":{"type":"crypt","offset":"32768"}}}'

export function luks2(change: Change = unchanged, json = LUKS2_JSON, area = 16384): Layout {
  const layout = new Layout(2 * area + 8192, false)
    .text(0, 'LUKS\xba\xbe')
    .u16(6, 2)
    .u64(8, area)
    .u64(16, 1)
    .text(72, 'sha256')
    .text(4096, json)
    .text(area, 'SKUL\xba\xbe')
    .u16(area + 6, 2)
    .text(area + 4096, json)
  change(layout)
  return layout
}

/** An optical disc: a bootable volume of 20 sectors. */
export function iso(change: Change = unchanged): Layout {
  const at = 32768
  const layout = new Layout(at + 4 * 2048, true)
    .text(at, '\x01CD001\x01')
    .u32(at + 80, 20)
    .u16(at + 128, 2048)
    .text(at + 2048, '\0CD001\x01EL TORITO SPECIFICATION')
    .text(at + 4096, '\xffCD001\x01')
  change(layout)
  return layout
}

export function ext(): Layout {
  return new Layout(8192, true).u16(1080, 0xef53)
}
