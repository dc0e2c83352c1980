import { LIMITS, TankError } from '@tank/model'

/** Digests that a client may give for data at a location, with the length of their hex. */
const LENGTHS: ReadonlyMap<string, number> = new Map([
  ['md5', 32],
  ['sha1', 40],
  ['sha256', 64],
  ['sha512', 128]
])

/** Hexadecimal digits of a digest; undefined: there is no such algorithm. */
export function digestLength(algorithm: string): number | undefined {
  return LENGTHS.get(algorithm)
}

/** What data at a location has to be. */
export interface Validation {
  readonly os_hash_algo: string
  /** lower-case hexadecimal */
  readonly os_hash_value: string
}

export interface LocationInput {
  readonly url: string
  readonly validation: Validation | null
}

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A URL as it is kept and compared: exact, without credentials (S-02), as long as schemas say (PL5). */
export function readUrl(value: unknown): string {
  if (typeof value !== 'string' || value === '') invalid("'url' must be a string")
  if (value.length > LIMITS.locationUrlLength) {
    invalid(`'url' must have at most ${LIMITS.locationUrlLength} characters`)
  }
  if (!/^[\x21-\x7e]+$/.test(value) || !URL.canParse(value)) {
    invalid("'url' is not a URL")
  }
  const { username, password } = new URL(value)
  if (username !== '' || password !== '') invalid("'url' must not have a user or a password")
  return value
}

/** The form of the digest; whether its value can be one is said later (LA0). */
function readValidation(value: unknown): Validation | null {
  if (value === undefined) return null
  if (!isRecord(value)) invalid("'validation_data' must be an object")
  const { os_hash_algo: algorithm, os_hash_value: digest, ...others } = value
  if (Object.keys(others).length > 0) {
    invalid("'validation_data' has os_hash_algo and os_hash_value only")
  }
  if (algorithm === undefined && digest === undefined) return null
  if (typeof algorithm !== 'string' || !LENGTHS.has(algorithm)) {
    invalid(`'os_hash_algo' must be one of ${[...LENGTHS.keys()].join(', ')}`)
  }
  if (typeof digest !== 'string') invalid("'os_hash_value' must be a string")
  return { os_hash_algo: algorithm, os_hash_value: digest }
}

/** Reads the body of "add location" (LA1). */
export function readLocation(body: Readonly<Record<string, unknown>>): LocationInput {
  const { url, validation_data: validation, ...others } = body
  const location = { url: readUrl(url), validation: readValidation(validation) }
  if (Object.keys(others).length > 0) invalid('Only url and validation_data can be given')
  return location
}

/** Throws INVALID_REQUEST when the digest has another length than its algorithm, or is no hex (LA1). */
export function normalDigest(validation: Validation | null): Validation | null {
  if (validation === null) return null
  const { os_hash_algo, os_hash_value } = validation
  if (!/^[0-9a-f]+$/i.test(os_hash_value) || os_hash_value.length !== LENGTHS.get(os_hash_algo)) {
    invalid(`'os_hash_value' is no ${os_hash_algo} in hexadecimal`)
  }
  return { os_hash_algo, os_hash_value: os_hash_value.toLowerCase() }
}

/** The input of a location task, as the registry keeps it and people see it. */
export function locationInput(imageId: string, { url, validation }: LocationInput) {
  return { image_id: imageId, loc_url: url, validation_data: validation ?? {} }
}

/** Reads what `locationInput` wrote. */
export function readLocationInput(input: Readonly<Record<string, unknown>>): LocationInput {
  return { url: readUrl(input.loc_url), validation: readValidation(input.validation_data) }
}
