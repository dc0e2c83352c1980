import { gzipSync } from 'node:zlib'
import { OVF, ova, pax, type TarEntry, tar } from './archives.ts'
import { luks2, qcow2 } from './disks.ts'
import { Layout } from './layout.ts'
import { vhdx } from './microsoft.ts'
import { DESCRIPTOR, vmdk } from './vmdk.ts'
import { zip } from './zip.ts'

const MIB = 2 ** 20

const fill = (text: string, size = MIB - 4096): string =>
  text.repeat(Math.ceil(size / text.length)).slice(0, size)
const count = (times: number, one: (index: number) => string): string =>
  Array.from({ length: times }, (_, index) => one(index)).join('')

/** The largest that VMDK descriptors may be. */
function descriptor(text: string): Uint8Array {
  const bytes = new Uint8Array(512 + 2 * MIB)
  bytes.set(vmdk((it) => it.u64(36, 2047)).bytes.subarray(0, 512))
  bytes.set(Buffer.from(DESCRIPTOR + text, 'latin1').subarray(0, MIB - 1), 512)
  return bytes
}

function regions(): Uint8Array {
  return vhdx((it) => {
    for (const at of [196608, 262144]) {
      it.u32(at + 8, 2047)
      for (let index = 2; index < 2047; index++)
        it.u32(at + 16 + index * 32, index)
          .u64(at + 32 + index * 32, MIB)
          .u32(at + 44 + index * 32, 1)
    }
  }).bytes
}

function items(): Uint8Array {
  return vhdx((it) => {
    it.u16(MIB + 10, 2047)
    for (let index = 3; index < 2047; index++) {
      const at = MIB + 32 + index * 32
      it.u32(at, index)
        .u32(at + 16, 65536 + index)
        .u32(at + 20, 1)
        .u32(at + 24, 4)
    }
  }).bytes
}

function extensions(): Uint8Array {
  const bytes = new Uint8Array(8 * MIB)
  bytes.set(
    qcow2((it) =>
      it
        .u32(20, 21)
        .u64(40, 6 * MIB)
        .u64(48, 2 * MIB)
    ).bytes.subarray(0, 112)
  )
  const layout = new Layout(2 * MIB - 112, false)
  for (let at = 0; at + 8 <= layout.bytes.length; at += 8) layout.u32(at, 1)
  bytes.set(layout.bytes, 112)
  return bytes
}

const member = (index: number): TarEntry => ({
  name: `member-${index}`,
  body: qcow2().bytes.subarray(0, 1024)
})

/** Small images that want to cost much, each in its own way. */
export function bombs(): Readonly<Record<string, Uint8Array>> {
  const zeros = gzipSync(Buffer.alloc(64 * MIB))
  return {
    'qcow2 with large tables': qcow2((it) =>
      it
        .u32(36, 2 ** 22)
        .u32(56, 128)
        .u32(60, 65536)
        .u64(64, 65536)
    ).bytes,
    'qcow2 with 2 MiB of extensions': extensions(),
    'vmdk with empty lines': descriptor(fill('\n')),
    'vmdk with settings': descriptor(count(150_000, (index) => `a${index}=\n`)),
    'vmdk with extents': descriptor(fill('RW 1 SPARSE "a"\n')),
    'vmdk with a line of spaces': descriptor(`RW${fill(' ')}`),
    'vmdk with a long key': descriptor(fill('a')),
    'vmdk with a long key and spaces': descriptor(fill('a', MIB / 2) + fill(' ', MIB / 2 - 4096)),
    'vmdk with line ends': descriptor(fill('\r')),
    'text of comments': Buffer.from(fill('#\n', 2 * MIB)),
    'text of a comment': Buffer.from(fill('#', 2 * MIB)),
    'ovf with deep tags': ova(fill('<a>')),
    'ovf with files': ova(`<a>${count(40_000, (index) => `<b href="${index}"/>`)}</a>`),
    'ovf with attributes': ova(`<a ${count(100_000, (index) => ` b${index}=""`)}/>`),
    'ovf with an attribute without an end': ova(`<a b="${fill(' href=')}`),
    'ovf with a tag of spaces': ova(`<a${fill(' ')}`),
    'ovf with a name': ova(`<${fill('a')}`),
    'ovf with comments': ova(`<a>${fill('<!---->')}`),
    'ovf with entities': ova(fill('&amp;')),
    'ovf with a long tag that is none': ova(`<a><![CDATA[<${fill('a')}<]]></a>`),
    'ovf with tags that are none': ova(`<a><![CDATA[${fill(`<${'a:'.repeat(60)}`)}]]></a>`),
    'ova with members': tar([
      { name: 'a.ovf', body: OVF },
      ...Array.from({ length: 1000 }, (_, index) => member(index))
    ]),
    'ova with extended headers': ova(
      OVF,
      Array.from({ length: 1000 }, () => pax({ path: fill('a', 4000) }))
    ),
    'ova with long extended headers': ova(OVF, [
      pax(Object.fromEntries(Array.from({ length: 6000 }, (_, index) => [`k${index}`, '']))),
      { name: 'b' }
    ]),
    'ova with long names': ova(
      OVF,
      Array.from({ length: 60 }, (_, index) => [
        pax({ path: `${index}${fill('a', 4000)}`, x: fill('b', 50_000) }),
        { name: 'b' }
      ]).flat()
    ),
    'luks 2 with quotes': luks2(undefined, `"${fill('\\"', MIB - 8192)}`, MIB).bytes,
    'luks 2 with deep arrays': luks2(undefined, fill('[', MIB - 8192), MIB).bytes,
    'luks 2 with segments': luks2(
      undefined,
      `{"segments":{${count(20_000, (index) => `"${index}":{"offset":"9"},`)}"a":0}}`,
      MIB
    ).bytes,
    'vhdx with regions': regions(),
    'vhdx with items': items(),
    'gzip of zeros': zeros,
    'gzip of gzip of zeros': gzipSync(zeros),
    'gzip of members': Buffer.concat(Array.from({ length: 3000 }, () => gzipSync(''))),
    'gzip of images': Buffer.concat(Array.from({ length: 30 }, () => gzipSync(vhdx().bytes))),
    'zip of zeros': zip(Buffer.alloc(64 * MIB)),
    // each is unpacked as far as anything is, and many of them come in one chunk
    'ova with small gzips': ova(
      OVF,
      Array.from({ length: 62 }, (_, index) => ({
        name: `${index}`,
        body: gzipSync(Buffer.concat([vhdx().bytes.subarray(0, MIB / 2), Buffer.alloc(3 * MIB)]))
      }))
    ),
    'ova with gzip of zeros': ova(
      OVF,
      Array.from({ length: 60 }, (_, index) => ({ name: `${index}`, body: zeros }))
    )
  }
}
