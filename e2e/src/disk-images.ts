import { randomBytes } from 'node:crypto'

const SECTOR = 512

/** A sound qcow2 image of version 3 with an empty disk of 1 MiB; `more` bytes nobody reads follow. */
export function qcow2(change: (image: Buffer) => void = () => {}, more = 0): Buffer {
  const cluster = 65536
  const image = Buffer.alloc(4 * cluster)
  image.write('QFI\xfb', 'latin1')
  image.writeUInt32BE(3, 4)
  image.writeUInt32BE(16, 20)
  image.writeBigUInt64BE(1048576n, 24)
  image.writeUInt32BE(1, 36)
  image.writeBigUInt64BE(BigInt(3 * cluster), 40)
  image.writeBigUInt64BE(BigInt(cluster), 48)
  image.writeUInt32BE(1, 56)
  image.writeUInt32BE(4, 96)
  image.writeUInt32BE(104, 100)
  change(image)
  return Buffer.concat([image, randomBytes(more)])
}

/** A qcow2 image that names a backing file. */
export function backedQcow2(file: string): Buffer {
  return qcow2((image) => {
    image.writeBigUInt64BE(512n, 8)
    image.writeUInt32BE(file.length, 16)
    image.write(file, 512)
  })
}

/** A sparse VMDK of 1 MiB; `text` stands in its descriptor instead of the usual. */
export function vmdk(text: { type?: string; extent?: string; more?: string } = {}): Buffer {
  const { type = 'monolithicSparse', extent = 'RW 2048 SPARSE "disk.vmdk"', more = '' } = text
  const image = Buffer.alloc(64 * 1024)
  image.write('KDMV')
  image.writeUInt32LE(1, 4)
  image.writeUInt32LE(3, 8)
  image.writeBigUInt64LE(2048n, 12)
  image.writeBigUInt64LE(128n, 20)
  image.writeBigUInt64LE(1n, 28)
  image.writeBigUInt64LE(20n, 36)
  image.writeUInt32LE(512, 44)
  image.writeBigUInt64LE(21n, 48)
  image.writeBigUInt64LE(26n, 56)
  image.writeBigUInt64LE(128n, 64)
  image.write('\n \r\n', 73)
  const lines = ['# Disk DescriptorFile', 'version=1', 'CID=fffffffe', 'parentCID=ffffffff']
  image.write([...lines, `createType="${type}"`, extent, more, ''].join('\n'), SECTOR)
  return image
}

/** An ISO 9660 image of 64 KiB; `boot`: with a partition table in its system area. */
export function iso({ boot = false } = {}): Buffer {
  const image = Buffer.alloc(64 * 1024)
  if (boot) mbr(image, { first: 0, count: 128 })
  for (const [index, type] of [1, 255].entries()) {
    const at = 32768 + index * 2048
    image.writeUInt8(type, at)
    image.write('CD001\x01', at + 1, 'latin1')
  }
  image.writeUInt32LE(32, 32768 + 80)
  image.writeUInt16LE(2048, 32768 + 128)
  return image
}

/** Writes a partition table with one entry. */
export function mbr(
  image: Buffer,
  { flag = 0x80, type = 0x83, first = 1, count = 1, start = [0, 2, 0] } = {}
): Buffer {
  image.writeUInt16LE(0xaa55, 510)
  image.set([flag, ...start, type], 446)
  image.writeUInt32LE(first, 454)
  image.writeUInt32LE(count, 458)
  return image
}

/** A raw disk of 128 KiB with a protective entry, as those with a GPT have. */
export function protectedDisk(change: Parameters<typeof mbr>[1] = {}): Buffer {
  return mbr(Buffer.alloc(128 * 1024), { flag: 0, type: 0xee, count: 255, ...change })
}

/** A QED image. */
export function qed(): Buffer {
  const image = Buffer.alloc(1 << 20)
  image.write('QED\0', 'latin1')
  image.writeUInt32LE(65536, 4)
  image.writeUInt32LE(4, 8)
  image.writeUInt32LE(1, 12)
  image.writeBigUInt64LE(65536n, 40)
  image.writeBigUInt64LE(1048576n, 48)
  return image
}

/** One member of a tar archive. */
function member(name: string, bytes: Buffer, type = '0'): Buffer {
  const header = Buffer.alloc(SECTOR)
  header.write(name)
  header.write('0000644\0', 100)
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124)
  header.fill(' ', 148, 156)
  header.write(type, 156)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((SECTOR - (bytes.length % SECTOR)) % SECTOR)
  return Buffer.concat([header, bytes, padding])
}

/** An appliance of one disk; `more` stands in its description. */
export function ova(disk: Buffer, more = '', type = '0'): Buffer {
  const ovf = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>
<File ovf:href="disk.vmdk" ovf:id="file1"/></References><VirtualSystem ovf:id="x">${more}</VirtualSystem></Envelope>`
  return Buffer.concat([
    member('x.ovf', Buffer.from(ovf)),
    member('disk.vmdk', disk, type),
    Buffer.alloc(1024)
  ])
}
