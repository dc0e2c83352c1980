import { bigEndian, latin1 } from '../fields.ts'

export const BLOCK = 512

type MemberKind = 'file' | 'link' | 'long-name' | 'extension' | 'end' | 'damaged'

export interface TarHeader {
  readonly kind: MemberKind
  readonly name: string
  /** Whether its own name stays inside, as every reader understands it. */
  readonly isInside: boolean
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

/** The sums of all bytes, of which the checksum's own count as spaces; old readers add with a sign. */
function sumsOf(block: Uint8Array): readonly [sum: number, signed: number] {
  let sum = 8 * 32
  let signed = sum
  for (const [at, byte] of block.entries()) {
    if (at >= 148 && at < 156) continue
    sum += byte
    signed += byte < 0x80 ? byte : byte - 256
  }
  return [sum, signed]
}

/** Whether some reader may take a block for a member's header, even where it lacks a magic. */
export function isLikeHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK) return false
  const field = block.subarray(148, 156)
  const [, digits = ''] = /^[\0\s]*\+?(?:0o)?([0-7_]+)/i.exec(latin1(field)) ?? []
  const sum =
    (field[0] ?? 0) < 0x80
      ? Number.parseInt(digits.replaceAll('_', ''), 8)
      : bigEndian(field).u32(4)
  return sumsOf(block).includes(sum)
}

/** Reads a member's header (POSIX ustar, with the GNU forms of names and numbers). */
export function readTarHeader(block: Uint8Array): TarHeader {
  if (block.every((byte) => byte === 0)) return { kind: 'end', name: '', isInside: true, size: 0 }
  const size = numberOf(block.subarray(124, 136))
  const magic = latin1(block.subarray(257, 262))
  const isSound = magic === 'ustar' && numberOf(block.subarray(148, 156)) === sumsOf(block)[0]
  const prefix = textOf(block.subarray(345, 500))
  const name = textOf(block.subarray(0, 100))
  const whole = prefix === '' ? name : `${prefix}/${name}`
  // GNU keeps times where others read a prefix all the same
  const isGnu = block[262] === 0x20
  return {
    kind:
      isSound && Number.isSafeInteger(size) ? kindOf(latin1(block.subarray(156, 157))) : 'damaged',
    name: isGnu ? name : whole,
    isInside: isInside(name) && isInside(whole),
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

/**
 * What a name comes to on all systems: `a/b` for `./A//b`. Of two members for which that is the same one
 * may be written over the other.
 */
export function meaningOf(name: string): string {
  const parts = name.toLowerCase().split(/[/\\]/)
  return parts.filter((part) => part !== '' && part !== '.').join('/')
}

/** Whether a name stays inside of the archive, on every system. */
export function isInside(name: string): boolean {
  const isOutside = /^[/\\]|^[A-Za-z]:|\0/.test(name) || name.split(/[/\\]/).includes('..')
  return !isOutside && meaningOf(name) !== ''
}
