import { StoreError } from '@tank/store'
import type { Limits } from './limits.ts'

const MiB = 1024 * 1024

/** How an image is cut into segments. */
export interface Plan {
  /** The largest segment that is kept in memory, and can so be sent again. */
  readonly buffer: number
  /** Bytes of the segment of this index; TOO_LARGE when there can be no such segment. */
  sizeOf(index: number): number
}

/**
 * Segments of the usual size where manifests may nest. Elsewhere a manifest has to do with what it
 * may list: then segments of an image of known size are as large as they must be, and those of an
 * image of unknown size begin to grow when half of the places are taken.
 */
export function planSegments(usual: number, limits: Limits, size: number | undefined): Plan {
  const { maxSegments, maxObject, minSegment, nests } = limits
  const base = Math.min(Math.max(usual, minSegment), maxObject)
  const places = nests ? maxSegments ** 2 : maxSegments
  const needed = Math.ceil((size ?? 0) / places)
  const fixed = Math.max(base, needed > base ? Math.ceil(needed / MiB) * MiB : 0)
  if (fixed > maxObject) throw tooLarge(places * maxObject)
  const isGrowing = size === undefined && !nests
  return {
    buffer: base,
    sizeOf(index) {
      if (index >= places) throw tooLarge(places * maxObject)
      return isGrowing ? grown(base, index, maxSegments, maxObject) : fixed
    }
  }
}

/** Twice as large with each fiftieth of the places: 1000 places hold terabytes, whatever the base. */
function grown(base: number, index: number, places: number, most: number): number {
  const late = index - Math.floor(places / 2)
  if (late < 0) return base
  const doublings = 1 + Math.floor(late / Math.max(1, Math.floor(places / 50)))
  return Math.min(base * 2 ** Math.min(doublings, 30), most)
}

function tooLarge(most: number): StoreError {
  const hint = 'a larger segmentSize may help'
  return new StoreError('TOO_LARGE', `the server takes at most ${most} bytes an image: ${hint}`)
}
