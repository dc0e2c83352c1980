// Limits of S3's multipart uploads, which its imitations share.
export const MAX_PARTS = 10_000
export const MIN_PART_SIZE = 5 * 1024 ** 2
export const MAX_PART_SIZE = 5 * 1024 ** 3

const MiB = 1024 ** 2
/** Fewer than the server takes, so that an image of a known size never comes near the limit. */
const WANTED_PARTS = 9_000
/** Of a body of unknown size a part is at least such a fraction of what has gone out before. */
const GROWTH = 500

export interface PartLimits {
  /** Bytes of the smallest part of an image whose size is known. */
  readonly knownPartSize: number
  /** Bytes of the first part of a body of unknown size. */
  readonly unknownPartSize: number
  readonly equalParts: boolean
  /** Bytes of the largest image. */
  readonly maxSize: number
}

/** The bytes of the next part. `undefined`: no further part is possible. */
export type NextPart = (sent: {
  readonly parts: number
  readonly bytes: number
}) => number | undefined

/**
 * Says how an image is cut. With a known size all parts but the last are alike. With an unknown one
 * they grow with what has been sent, so that small images take little memory and the largest
 * possible one still fits into 10,000 parts.
 */
export function planParts(limits: PartLimits, size: number | undefined): NextPart {
  if (size !== undefined) {
    const even = roundUp(Math.ceil(size / WANTED_PARTS), MiB)
    const part = Math.min(Math.max(limits.knownPartSize, even), MAX_PART_SIZE)
    return ({ parts }) => (parts < MAX_PARTS ? part : undefined)
  }
  const first = limits.unknownPartSize
  return ({ parts, bytes }) => {
    if (parts >= MAX_PARTS) return undefined
    if (limits.equalParts) return first
    // More than this per part is never needed, however large the image becomes.
    const enough = (limits.maxSize - bytes) / (MAX_PARTS - parts)
    const wanted = Math.min(bytes / GROWTH, enough)
    return Math.min(Math.max(first, roundUp(wanted, MiB)), MAX_PART_SIZE)
  }
}

/** Bytes of the largest body of unknown size. */
export function maxUnknownSize(limits: PartLimits): number {
  if (!limits.equalParts) return limits.maxSize
  return Math.min(limits.maxSize, limits.unknownPartSize * MAX_PARTS)
}

/** How many parts of this size may be in memory: the larger they are, the fewer, but two. */
export function partsInFlight(limits: PartLimits, concurrency: number, partSize: number): number {
  const memory = concurrency * Math.max(limits.knownPartSize, limits.unknownPartSize)
  const fitting = Math.max(2, Math.floor(memory / partSize))
  return Math.min(concurrency, fitting)
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit
}
