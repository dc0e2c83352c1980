import { crc32, crc32c } from '../../src/fields.ts'

/** Makes checksums right again, so that a change behind them is seen. */
export function reseal(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  sealVhd(bytes, view)
  sealVhdx(bytes, view)
  sealTar(bytes)
  for (const at of [512, 4096]) {
    if (isText(bytes, at, 'EFI PART') && at + 92 <= bytes.length)
      view.setUint32(at + 16, crc32(bytes.subarray(at, at + 92), 16), true)
  }
}

function isText(bytes: Uint8Array, at: number, text: string): boolean {
  return Buffer.from(bytes.subarray(at, at + text.length)).toString('latin1') === text
}

function sealVhd(bytes: Uint8Array, view: DataView): void {
  const seal = (at: number, magic: string, length: number, field: number) => {
    if (at < 0 || at + length > bytes.length || !isText(bytes, at, magic)) return
    view.setUint32(at + field, 0)
    const sum = bytes.subarray(at, at + length).reduce((total, byte) => total + byte, 0)
    view.setUint32(at + field, ~sum >>> 0)
  }
  seal(0, 'conectix', 512, 64)
  seal(512, 'cxsparse', 1024, 36)
  seal(bytes.length - 512, 'conectix', 512, 64)
}

function sealVhdx(bytes: Uint8Array, view: DataView): void {
  if (!isText(bytes, 0, 'vhdxfile')) return
  for (const [at, length] of [
    [65536, 4096],
    [131072, 4096],
    [196608, 65536],
    [262144, 65536]
  ] as const) {
    if (at + length <= bytes.length)
      view.setUint32(at + 4, crc32c(bytes.subarray(at, at + length), 4), true)
  }
}

/** The headers of the first members that follow each other. */
function sealTar(bytes: Uint8Array): void {
  for (let at = 0, count = 0; at + 512 <= bytes.length && count < 70; count++) {
    if (!isText(bytes, at + 257, 'ustar')) return
    bytes.fill(32, at + 148, at + 156)
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0)
    bytes.set(Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `), at + 148)
    const size = Number.parseInt(Buffer.from(bytes.subarray(at + 124, at + 135)).toString(), 8)
    if (!(size >= 0)) return
    at += 512 + Math.ceil(size / 512) * 512
  }
}
