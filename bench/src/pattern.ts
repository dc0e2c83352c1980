import { createHash, randomBytes } from 'node:crypto'

export const MIB = 1024 * 1024

/** Bytes to upload: a random block in memory, larger than the caches, over and over. */
export interface Pattern {
  readonly size: number
  /** The piece at an offset, at most `length` bytes; shorter at the end of the block. */
  slice(offset: number, length: number): Buffer
  /** Digests of `length` bytes from the beginning, made once for each length. */
  digests(length: number): Digests
}

interface Digests {
  readonly md5: string
  readonly sha256: string
  readonly sha512: string
}

const BLOCK = 64 * MIB

/**
 * The bytes are kept in memory, since Node has no sendfile: reading a file would take CPU time from
 * the server, on a machine that both share.
 */
export function createPattern(size: number): Pattern {
  const block = randomBytes(Math.min(BLOCK, Math.max(1, size)))
  const known = new Map<number, Digests>()
  const slice = (offset: number, length: number) => {
    const at = offset % block.length
    return block.subarray(at, at + length)
  }
  return {
    size,
    slice,
    digests(length) {
      const digests = known.get(length) ?? digest(slice, length)
      known.set(length, digests)
      return digests
    }
  }
}

function digest(slice: Pattern['slice'], length: number): Digests {
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  const sha512 = createHash('sha512')
  for (let at = 0; at < length; ) {
    const piece = slice(at, Math.min(MIB, length - at))
    for (const hash of [md5, sha256, sha512]) hash.update(piece)
    at += piece.length
  }
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') }
}
