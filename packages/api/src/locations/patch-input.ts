import { isStorableText, type LocationMetadata, TankError } from '@tank/model'
import { isRecord, readUrl } from './input.ts'

const MAX_METADATA_BYTES = 4096

/** Digests that a client says the data at a location has; whether they can be is said later (PL8). */
export interface SaidDigests {
  readonly checksum?: string
  readonly os_hash_algo: string
  readonly os_hash_value: string
}

export interface GivenLocation {
  readonly url: string
  readonly metadata: LocationMetadata
  readonly digests: SaidDigests | null
}

/** One operation on `locations`. Positions count from 0. */
export type LocationOperation =
  /** At the end: their order is that of their age. */
  | { readonly kind: 'add'; readonly at: number | 'end'; readonly location: GivenLocation }
  | { readonly kind: 'replace'; readonly locations: readonly GivenLocation[] }
  | { readonly kind: 'remove'; readonly at: number }

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function readMetadata(value: unknown): LocationMetadata {
  if (!isRecord(value)) invalid("'metadata' of a location must be an object")
  const text = JSON.stringify(value, (name, each) => {
    if (!isStorableText(name) || (typeof each === 'string' && !isStorableText(each))) {
      invalid("'metadata' of a location must be Unicode text without NUL characters")
    }
    return each
  })
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES) {
    invalid(`'metadata' of a location must have at most ${MAX_METADATA_BYTES} bytes`)
  }
  return value
}

/** The form of the digests (PL7). */
function readDigests(value: unknown): SaidDigests | null {
  if (value === undefined) return null
  if (!isRecord(value)) invalid("'validation_data' must be an object")
  const { os_hash_algo, os_hash_value, checksum, ...others } = value
  if (Object.keys(others).length > 0) {
    invalid("'validation_data' has checksum, os_hash_algo and os_hash_value only")
  }
  if (typeof os_hash_algo !== 'string' || typeof os_hash_value !== 'string') {
    invalid("'validation_data' needs os_hash_algo and os_hash_value")
  }
  if (checksum === undefined) return { os_hash_algo, os_hash_value }
  if (typeof checksum !== 'string' || checksum.length !== 32) {
    invalid("'checksum' must have 32 characters")
  }
  return { os_hash_algo, os_hash_value, checksum }
}

function readLocation(value: unknown): GivenLocation {
  if (!isRecord(value)) invalid('A location must be an object with url and metadata')
  const { url: given, metadata, validation_data: digests, ...others } = value
  if (Object.keys(others).length > 0) invalid('A location has url, metadata and validation_data')
  return { url: readUrl(given), metadata: readMetadata(metadata), digests: readDigests(digests) }
}

function readPosition(text: string): number {
  if (!/^\d{1,9}$/.test(text)) invalid('The position of a location must be an integer')
  return Number(text)
}

/** Reads an operation on `locations` (PL1, PL5, PL7) as far as it can be judged without the image. */
export function readLocationOperation(
  op: 'add' | 'replace' | 'remove',
  position: string,
  value: unknown
): LocationOperation {
  if (op === 'remove') return { kind: 'remove', at: readPosition(position) }
  if (op === 'add') {
    const at = position === '-' ? 'end' : readPosition(position)
    return { kind: 'add', at, location: readLocation(value) }
  }
  if (!Array.isArray(value)) invalid("'locations' must be a list")
  if (value.length === 0) {
    throw new TankError('FORBIDDEN', 'The locations of an image cannot be replaced by none')
  }
  return { kind: 'replace', locations: value.map(readLocation) }
}
