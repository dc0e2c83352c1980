import { createHash, getHashes, type Hash } from 'node:crypto'
import type { ImageDocument } from '@tank/model'
import { TankClientError } from './errors.ts'

/** Compares bytes with what a server says about them. */
export interface Verifier {
  /** Name of the digest that is compared, undefined when the server names none that is usable. */
  readonly algorithm: string | undefined
  /** What that digest has to be, lower-case hexadecimal. */
  readonly digest: string | undefined
  /** Bytes that there have to be, undefined when the server does not say. */
  readonly size: number | undefined
  /** bytes so far */
  readonly bytes: number
  update(chunk: Uint8Array): void
  /** Throws unless exactly these bytes were meant. */
  finish(): void
}

/** What an image says about its bytes. */
type Digests = Partial<Pick<ImageDocument, 'size' | 'checksum' | 'os_hash_algo' | 'os_hash_value'>>

const HEX = /^[0-9a-f]+$/
const WEAK: ReadonlySet<string> = new Set(['md4', 'md5', 'md5-sha1', 'ripemd', 'ripemd160'])
let knownHashes: ReadonlySet<string> | undefined

/**
 * Chooses the strongest digest that an image names. What a server says is only used when it has the
 * form of a digest: the name of a known algorithm and as many hexadecimal digits as that one makes.
 */
export function createVerifier(image: Digests, length: number | undefined): Verifier {
  const expected = chooseDigest(image)
  const size = image.size ?? length
  const hash = expected?.hash
  let bytes = 0
  return {
    algorithm: expected?.algorithm,
    digest: expected?.value,
    size,
    get bytes() {
      return bytes
    },
    update(chunk) {
      bytes += chunk.byteLength
      hash?.update(chunk)
    },
    finish() {
      if (size !== undefined && bytes !== size) {
        throw new TankClientError('SIZE_MISMATCH', `${bytes} bytes came instead of ${size}`)
      }
      if (expected === undefined) return
      if (expected.hash.digest('hex') !== expected.value) {
        const text = `the bytes have another ${expected.algorithm} than the image: they changed on the way, or where they are kept`
        throw new TankClientError('DIGEST_MISMATCH', text)
      }
    }
  }
}

interface Expected {
  readonly algorithm: string
  readonly value: string
  readonly hash: Hash
}

function chooseDigest(image: Digests): Expected | undefined {
  const { os_hash_algo: algorithm, os_hash_value: value, checksum } = image
  knownHashes ??= new Set(getHashes())
  if (typeof algorithm === 'string' && knownHashes.has(algorithm) && !WEAK.has(algorithm)) {
    const strong = expect(algorithm, value)
    if (strong !== undefined) return strong
  }
  return expect('md5', checksum)
}

function expect(algorithm: string, value: unknown): Expected | undefined {
  if (typeof value !== 'string') return undefined
  const digits = value.toLowerCase()
  if (!HEX.test(digits) || digits.length !== digestLength(algorithm)) return undefined
  return { algorithm, value: digits, hash: createHash(algorithm) }
}

function digestLength(algorithm: string): number {
  return createHash(algorithm).digest('hex').length
}
