import {
  CONTAINER_FORMATS,
  isStorableText,
  LIMITS,
  TankError,
  textLength,
  VISIBILITIES,
  WRITTEN_DISK_FORMATS
} from '@tank/model'

function refuse(name: string, wish: string): never {
  throw new TankError('INVALID_REQUEST', `Invalid value for '${name}': ${wish}`)
}

function checkText(name: string, value: unknown, most: number): void {
  if (typeof value !== 'string') refuse(name, 'it must be a string')
  if (!isStorableText(value)) refuse(name, 'it must be Unicode text without NUL characters')
  if (textLength(value) > most) refuse(name, `it must have at most ${most} characters`)
}

function checkInteger(name: string, value: unknown, most: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most)
    refuse(name, `it must be an integer between 0 and ${most}`)
}

function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value !== 'string' || !words.includes(value))
    refuse(name, `it must be one of ${words.join(', ')}`)
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') refuse(name, 'it must be true or false')
}

function checkTags(value: unknown): void {
  if (!Array.isArray(value)) refuse('tags', 'it must be a list of strings')
  for (const tag of value) checkText('tags', tag, LIMITS.tagLength)
}

const nullable =
  (check: (value: unknown) => void) =>
  (value: unknown): void => {
    if (value !== null) check(value)
  }

/** One check for each attribute that users may write; each throws INVALID_REQUEST (C3, P6). */
const WRITABLE: ReadonlyMap<string, (value: unknown) => void> = new Map([
  ['name', nullable((v) => checkText('name', v, LIMITS.nameLength))],
  ['visibility', (v) => checkOneOf('visibility', v, VISIBILITIES)],
  ['protected', (v) => checkBoolean('protected', v)],
  ['os_hidden', (v) => checkBoolean('os_hidden', v)],
  ['owner', nullable((v) => checkText('owner', v, LIMITS.ownerLength))],
  ['container_format', nullable((v) => checkOneOf('container_format', v, CONTAINER_FORMATS))],
  ['disk_format', nullable((v) => checkOneOf('disk_format', v, WRITTEN_DISK_FORMATS))],
  ['min_disk', (v) => checkInteger('min_disk', v, LIMITS.minDisk)],
  ['min_ram', (v) => checkInteger('min_ram', v, LIMITS.minRam)],
  ['tags', checkTags]
])

/** Attributes that only the service sets; writing them is forbidden (C4, P4). */
export const READ_ONLY: ReadonlySet<string> = new Set([
  'id',
  'status',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'size',
  'virtual_size',
  'created_at',
  'updated_at',
  'direct_url',
  'self',
  'file',
  'schema',
  'stores'
])

const RESERVED: ReadonlySet<string> = new Set(['location', 'deleted', 'deleted_at'])

/** Names that nobody may use for a property (C4, P5). */
export function isReserved(name: string): boolean {
  return RESERVED.has(name) || name.startsWith('os_glance')
}

export function isWritableAttribute(name: string): boolean {
  return WRITABLE.has(name)
}

/** Checks the name and value of a custom property (C3, DM1). */
export function checkProperty(name: string, value: unknown): asserts value is string {
  if (name === '' || textLength(name) > LIMITS.propertyNameLength || !isStorableText(name)) {
    throw new TankError(
      'INVALID_REQUEST',
      `A property name must have 1 to ${LIMITS.propertyNameLength} characters`
    )
  }
  if (typeof value !== 'string') refuse(name, 'the value of a custom property must be a string')
  if (!isStorableText(value)) refuse(name, 'it must be Unicode text without NUL characters')
  if (Buffer.byteLength(value) > LIMITS.propertyValueBytes)
    refuse(name, `it must have at most ${LIMITS.propertyValueBytes} bytes`)
}

/** Checks the value of any attribute or property that a user may write. */
export function checkValue(name: string, value: unknown): void {
  const check = WRITABLE.get(name)
  if (check === undefined) checkProperty(name, value)
  else check(value)
}

/** Tags without duplicates, in the order given (C8). */
export function distinctTags(tags: readonly string[]): string[] {
  return [...new Set(tags)]
}

/** Throws LIMIT_EXCEEDED when `count` is over `limit`; a negative limit is none. */
export function checkCount(what: string, count: number, limit: number): void {
  if (limit >= 0 && count > limit) {
    throw new TankError(
      'LIMIT_EXCEEDED',
      `The limit on ${what} of an image is ${limit}; this would be ${count}`
    )
  }
}
