import { bytesOf } from '../../src/fields.ts'
import { vmdk } from './vmdk.ts'

export interface TarEntry {
  readonly name: string
  readonly body?: Uint8Array | string
  readonly type?: string
  /** The size field, where it is not the body's. */
  readonly size?: Uint8Array | string
  readonly prefix?: string
  readonly magic?: string
  /** The checksum field, made of the sum. */
  readonly checksum?: (sum: number) => Uint8Array | string
}

const bytes = (body: Uint8Array | string): Uint8Array =>
  typeof body === 'string' ? bytesOf(body) : body

const usualChecksum = (sum: number): string => `${sum.toString(8).padStart(6, '0')}\0 `

function tarHeader(entry: TarEntry): Uint8Array {
  const { name, body = '', type = '0', size, prefix = '', magic = 'ustar\x0000' } = entry
  const header = new Uint8Array(512)
  const put = (at: number, field: Uint8Array | string) => header.set(bytes(field), at)
  put(0, name.slice(0, 100))
  put(100, '0000644\0')
  put(124, size ?? `${body.length.toString(8).padStart(11, '0')}\0`)
  put(136, '00000000000\0')
  put(148, ' '.repeat(8))
  put(156, type)
  put(257, magic)
  put(345, prefix)
  const sum = header.reduce((total, byte) => total + byte, 0)
  put(148, (entry.checksum ?? usualChecksum)(sum))
  return header
}

/** A ustar archive; `end` are its zero blocks. */
export function tar(entries: readonly TarEntry[], end = 2): Uint8Array {
  const pieces = entries.flatMap((entry) => {
    const body = bytes(entry.body ?? '')
    return [tarHeader(entry), body, new Uint8Array((512 - (body.length % 512)) % 512)]
  })
  return Buffer.concat([...pieces, new Uint8Array(end * 512)])
}

export const OVF = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:href="disk.vmdk" ovf:id="file1"/></References>
</Envelope>
`

export function ova(
  ovf = OVF,
  more: readonly TarEntry[] = [{ name: 'disk.vmdk', body: vmdk().bytes }]
): Uint8Array {
  return tar([{ name: 'disk.ovf', body: ovf }, ...more])
}

/** A PAX extended header that says these things of the next member. */
export function pax(records: Readonly<Record<string, string>>): TarEntry {
  const body = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length + 1
    while (`${length}`.length + rest.length !== length) length++
    return `${length}${rest}`
  })
  return { name: 'PaxHeader', type: 'x', body: body.join('') }
}
