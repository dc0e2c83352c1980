import { crc32, deflateRawSync } from 'node:zlib'
import { Layout } from './layout.ts'

export interface ZipForm {
  readonly method?: number
  readonly flags?: number
  /** In place of the bytes, packed. */
  readonly packed?: Uint8Array
  /** Bytes of another field. */
  readonly extra?: number
}

/** A zip file of one entry. */
export function zip(bytes: Uint8Array, form: ZipForm = {}): Uint8Array {
  const { method = 8, flags = 0, extra = 0 } = form
  const packed = form.packed ?? (method === 0 ? bytes : deflateRawSync(bytes))
  const name = 'disk.img'
  const fields = (layout: Layout, at: number) =>
    layout
      .u16(at, 20)
      .u16(at + 2, flags)
      .u16(at + 4, method)
      .u32(at + 10, crc32(bytes))
      .u32(at + 14, packed.length)
      .u32(at + 18, bytes.length)
      .u16(at + 22, name.length)
  const header = fields(
    new Layout(30 + name.length + extra, true).text(0, 'PK\x03\x04').text(30, name),
    4
  ).u16(28, extra)
  const entry = fields(new Layout(46 + name.length, true).text(0, 'PK\x01\x02').text(46, name), 6)
  const end = new Layout(22, true)
    .text(0, 'PK\x05\x06')
    .u16(8, 1)
    .u16(10, 1)
    .u32(12, entry.bytes.length)
    .u32(16, header.bytes.length + packed.length)
  return Buffer.concat([header.bytes, packed, entry.bytes, end.bytes])
}
