import { bigEndian, latin1 } from '../fields.ts'

export const BLOCK = 512

type MemberKind = 'file' | 'link' | 'long-name' | 'extension' | 'end' | 'damaged'

export interface TarHeader {
  readonly kind: MemberKind
  readonly name: string
  readonly size: number
}

/** Text up to the first NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return latin1(end < 0 ? bytes : bytes.subarray(0, end))
}

/** A number in octal digits, or in base 256 where the first bit is set; NaN when it is neither. */
function numberOf(bytes: Uint8Array): number {
  const [first = 0] = bytes
  if (first >= 0x80) {
    // 0xff marks a negative number, and nothing above 2^63 is a size
    const high = bytes.subarray(1, 4)
    return first === 0x80 && high.every((byte) => byte === 0) ? bigEndian(bytes).u64(4) : Number.NaN
  }
  const text = latin1(bytes)
    .replace(/[\0 ]+$/, '')
    .trimStart()
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN
}

function kindOf(type: string): MemberKind {
  if (type === '0' || type === '\0' || type === '7') return 'file'
  if (type === 'L') return 'long-name'
  if (type === 'x') return 'extension'
  return /[1-6S]/.test(type) ? 'link' : 'damaged'
}

/** Reads a member's header (POSIX ustar, with the GNU forms of names and numbers). */
export function readTarHeader(block: Uint8Array): TarHeader {
  if (block.every((byte) => byte === 0)) return { kind: 'end', name: '', size: 0 }
  let sum = 8 * 32
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte
  const size = numberOf(block.subarray(124, 136))
  const magic = latin1(block.subarray(257, 262))
  const isSound = magic === 'ustar' && numberOf(block.subarray(148, 156)) === sum
  const isGnu = block[262] === 0x20
  const prefix = isGnu ? '' : textOf(block.subarray(345, 500))
  const name = textOf(block.subarray(0, 100))
  return {
    kind:
      isSound && Number.isSafeInteger(size) ? kindOf(latin1(block.subarray(156, 157))) : 'damaged',
    name: prefix === '' ? name : `${prefix}/${name}`,
    size
  }
}

/** Reads a PAX extended header: `length key=value` records; undefined when it is damaged or odd. */
export function readPax(bytes: Uint8Array): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length; ) {
    const [whole = '', length = ''] = /^(\d{1,7}) /.exec(latin1(bytes.subarray(at, at + 8))) ?? []
    const end = at + Number(length)
    if (whole === '' || end > bytes.length || bytes[end - 1] !== 0x0a) return undefined
    const record = latin1(bytes.subarray(at + whole.length, end - 1))
    const split = record.indexOf('=')
    const key = record.slice(0, split)
    if (split < 1 || record.includes('\0') || records.has(key)) return undefined
    records.set(key, record.slice(split + 1))
    at = end
  }
  return records
}

/** Whether a name stays inside of the archive, on every system. */
export function isInside(name: string): boolean {
  const parts = name.split(/[/\\]/)
  return name !== '' && !/^[/\\]|^[A-Za-z]:|\0/.test(name) && !parts.includes('..')
}
