/** Reads numbers out of a header; the bytes have to be there. */
export interface Fields {
  u8(at: number): number
  u16(at: number): number
  u32(at: number): number
  /** Exact below 2^53; above that the nearest number, which is enough to see that it is too large. */
  u64(at: number): number
}

function fields(bytes: Uint8Array, isLittle: boolean): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    u8: (at) => view.getUint8(at),
    u16: (at) => view.getUint16(at, isLittle),
    u32: (at) => view.getUint32(at, isLittle),
    u64: (at) => Number(view.getBigUint64(at, isLittle))
  }
}

export const littleEndian = (bytes: Uint8Array): Fields => fields(bytes, true)
export const bigEndian = (bytes: Uint8Array): Fields => fields(bytes, false)

/** The text of bytes, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

/** Whether all of the bytes from..to have one value. */
export function isFilled(bytes: Uint8Array, from: number, to: number, value = 0): boolean {
  return bytes.subarray(from, to).every((byte) => byte === value)
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isSafeInteger(value) && 2 ** Math.round(Math.log2(value)) === value
}

function crcTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? polynomial : 0)
    return value >>> 0
  })
}

const CRC32 = crcTable(0xedb88320)
const CRC32C = crcTable(0x82f63b78)

/** A CRC over bytes whose own checksum field (4 bytes) counts as zero. */
function crc(table: Uint32Array, bytes: Uint8Array, zeroAt: number): number {
  let value = 0xffffffff
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= zeroAt && at < zeroAt + 4 ? 0 : (bytes[at] ?? 0)
    value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] ?? 0)
  }
  return ~value >>> 0
}

export const crc32 = (bytes: Uint8Array, zeroAt: number): number => crc(CRC32, bytes, zeroAt)
export const crc32c = (bytes: Uint8Array, zeroAt: number): number => crc(CRC32C, bytes, zeroAt)
