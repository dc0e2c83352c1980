import { gzipSync } from 'node:zlib'
import type { Random } from './random.ts'
import { reseal } from './reseal.ts'

export const MOST_BYTES = 4 * 2 ** 20

const NUMBERS = [
  0n,
  1n,
  2n,
  7n,
  8n,
  9n,
  63n,
  64n,
  255n,
  256n,
  511n,
  512n,
  513n,
  4095n,
  4096n,
  65535n,
  65536n,
  69631n,
  69632n,
  2n ** 20n - 1n,
  2n ** 20n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 512n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n
] as const

const WORDS = [
  'QFI\xfb',
  'KDMV',
  'COWD',
  'conectix',
  'cxsparse',
  'vhdxfile',
  'QED\0',
  'LUKS\xba\xbe',
  'WithoutFreeSpace',
  '\x01CD001\x01',
  'BEA01',
  'EFI PART',
  'U\xaa',
  '\x1f\x8b\x08\0',
  'PK\x03\x04',
  'PK\x05\x06',
  'ustar\x0000',
  '\xfd7zXZ\0',
  '\x28\xb5\x2f\xfd',
  'koly',
  'DATA',
  '#parentFileNameHint="/etc/x"\n',
  'createType="custom"\n',
  'parentCID=1\n',
  'RW 8 FLAT "/etc/x" 0\n',
  '\r',
  '<!DOCTYPE a>',
  '<!--',
  '-->',
  '<![CDATA[',
  '&lol;',
  ' href="/etc/x"',
  '</a>',
  '"\\"',
  '{"segments":{"0":{"offset":"4096"}}}',
  '[[[[[[[[[[',
  '17 path=../../a\n',
  '13 path=/etc\n',
  '../../',
  "='",
  '="'
] as const

/** The words that are text. */
const TEXTS = WORDS.slice(WORDS.indexOf('#parentFileNameHint="/etc/x"\n'))

type Mutation = (bytes: Uint8Array, random: Random, edges: readonly number[]) => Uint8Array

/** Somewhere, and mostly where a field begins. */
function place(bytes: Uint8Array, random: Random, edges: readonly number[]): number {
  const at =
    random.isOne(4) || edges.length === 0 ? random.below(bytes.length + 1) : random.pick(edges)
  return Math.min(at, Math.max(0, bytes.length - 1))
}

function write(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  bytes.set(piece.subarray(0, Math.max(0, bytes.length - at)), at)
  return bytes
}

const flip: Mutation = (bytes, random, edges) => {
  const at = place(bytes, random, edges)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  return bytes
}

const number: Mutation = (bytes, random, edges) => {
  const piece = Buffer.alloc(8)
  const width = random.pick([1, 2, 4, 8])
  const value = random.isOne(3) ? BigInt(random.below(bytes.length + 1)) : random.pick(NUMBERS)
  if (random.isOne(2)) piece.writeBigUInt64LE(value)
  else piece.writeBigUInt64BE(BigInt.asUintN(64, value << BigInt(64 - 8 * width)))
  return write(bytes, place(bytes, random, edges), piece.subarray(0, width))
}

const word: Mutation = (bytes, random, edges) =>
  write(bytes, place(bytes, random, edges), Buffer.from(random.pick(WORDS), 'latin1'))

/** Makes room for a word, or for many of them. */
const insert: Mutation = (bytes, random, edges) => {
  const at = place(bytes, random, edges)
  const text = random.pick(WORDS).repeat(random.isOne(20) ? 1 + random.below(20_000) : 1)
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(text, 'latin1'), bytes.subarray(at)])
}

const isZero = (bytes: Uint8Array, from: number, length: number): boolean =>
  bytes.subarray(from, from + length).every((byte) => byte === 0)

/** A word more in a text, at the cost of the zeros behind it, so that nothing else moves. */
const line: Mutation = (bytes, random, edges) => {
  const places: number[] = []
  for (let at = 0; at < bytes.length && places.length < 200; at++)
    if (bytes[at] === 0x0a || bytes[at] === 0x3e) places.push(at + 1)
  if (places.length < 3) return number(bytes, random, edges)
  const text = Buffer.from(random.pick(TEXTS), 'latin1')
  const at = random.pick(places)
  const end = bytes.indexOf(0, at)
  if (end < 0 || !isZero(bytes, end, text.length)) return insert(bytes, random, edges)
  return Buffer.concat([
    bytes.subarray(0, at),
    text,
    bytes.subarray(at, end),
    bytes.subarray(end + text.length)
  ])
}

const cut: Mutation = (bytes, random, edges) => bytes.subarray(0, place(bytes, random, edges))

const extend: Mutation = (bytes, random) =>
  Buffer.concat([
    bytes,
    new Uint8Array(random.below(100_000)).fill(random.isOne(2) ? 0 : random.below(256))
  ])

const move: Mutation = (bytes, random, edges) => {
  const from = place(bytes, random, edges)
  const piece = bytes.slice(from, from + random.pick([4, 8, 32, 512, 4096]))
  return write(bytes, place(bytes, random, edges), piece)
}

const pack: Mutation = (bytes) => gzipSync(bytes, { level: 1 })

const MUTATIONS: readonly Mutation[] = [
  ...Array.from({ length: 4 }, () => [flip, number, number, word]).flat(),
  insert,
  line,
  line,
  line,
  cut,
  extend,
  move,
  move
]

/** Another image like this one; `other` gives some of its bytes now and then. */
export function mutate(
  seed: { readonly bytes: Uint8Array; readonly edges: readonly number[] },
  other: Uint8Array,
  random: Random
): Uint8Array {
  let bytes: Uint8Array = seed.bytes.slice()
  if (random.isOne(12)) {
    const at = place(bytes, random, seed.edges)
    bytes = write(bytes, at, other.subarray(0, random.pick([512, 4096, 40_000, MOST_BYTES])))
  }
  for (let count = 1 + random.below(4); count > 0; count--)
    bytes = random.pick(MUTATIONS)(bytes, random, seed.edges).slice(0, MOST_BYTES)
  if (!random.isOne(4)) reseal(bytes)
  return random.isOne(40) ? pack(bytes, random, []) : bytes
}
