import { constants, inflateRawSync } from 'node:zlib'
import type { Budget, OpenPart } from '../format.ts'
import { HEAD_SIZE } from '../window.ts'

const GROWTH = 0.5
/** Most of what is unpacked at a time. Metadata of a VHDX file lie behind 3 MiB. */
export const MOST_BYTES = 4 * 2 ** 20
/** Of packed bytes at first, and most of what they make; deflate makes no more than 1032 of one. */
const USUAL = { piece: 2048, most: MOST_BYTES }
/** The same when the budget is used up: enough to get at a head in a few pieces. */
const SMALL = { piece: 128, most: 2 ** 20 }
/** Packed bytes that make no more than a quarter of so many. */
const leastPiece = (bytes: number): number => bytes / 4096

/** What comes out of a packed head at least, unless it was made to hide what is in it. */
const LEAST_BYTES = 64 * 1024

/** Whether so little of something was unpacked that nobody can say what it is. */
export const isHidden = (part: OpenPart): boolean =>
  part.wantsMore && part.report().size < LEAST_BYTES

export type Unpacked =
  /** All of it, and how many packed bytes it was. */
  | { readonly kind: 'whole'; readonly bytes: Uint8Array; readonly used: number }
  /** As much as anybody wanted. */
  | { readonly kind: 'enough' }
  /** All of the packed bytes, and there should be more. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'damaged' }

interface Piece {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

function isPiece(value: unknown): value is Piece {
  return typeof value === 'object' && value !== null && 'buffer' in value && 'engine' in value
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'

function inflate(packed: Uint8Array, most: number): Piece | 'damaged' | 'too large' {
  try {
    const piece: unknown = inflateRawSync(packed, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: most,
      info: true
    })
    return isPiece(piece) ? piece : 'damaged'
  } catch (error) {
    return isTooLarge(error) ? 'too large' : 'damaged'
  }
}

/**
 * Unpacks a deflate stream from its beginning, at once, in growing pieces until `take` wants no more:
 * what it costs is bounded however much there is in it (S-41). When the budget of the image is used up,
 * it gets no further than the head, where nearly every format says what it is.
 */
export function unpack(
  packed: Uint8Array,
  budget: Budget,
  take: (bytes: Uint8Array) => boolean
): Unpacked {
  const { piece: first, most } = budget.left > 0 ? USUAL : SMALL
  let taken = 0
  let done = 0
  let step = first
  let isSlow = false
  for (;;) {
    const input = packed.subarray(0, done + step)
    const piece = inflate(input, most)
    if (piece === 'damaged') return { kind: 'damaged' }
    if (piece === 'too large') {
      if (isSlow) return { kind: 'enough' }
      // what was to be seen may lie right before what is too much
      isSlow = true
      step = leastPiece(most)
      continue
    }
    budget.left -= piece.buffer.length - taken
    const isWanted = take(piece.buffer.subarray(taken))
    const wantsMore = isWanted && (budget.left > 0 || piece.buffer.length < HEAD_SIZE)
    taken = piece.buffer.length
    const used = piece.engine.bytesWritten
    if (used < input.length) return { kind: 'whole', bytes: piece.buffer, used }
    if (!wantsMore) return { kind: 'enough' }
    if (input.length === packed.length) return { kind: 'cut' }
    done = input.length
    if (!isSlow) step = Math.ceil(done * GROWTH)
  }
}
