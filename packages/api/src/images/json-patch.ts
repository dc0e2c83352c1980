import { TankError } from '@tank/model'
import { type LocationOperation, readLocationOperation } from '../locations/patch-input.ts'
import { checkValue, isReserved, isWritableAttribute, READ_ONLY } from './attributes.ts'

export type PatchDialect = 'v2.0' | 'v2.1'

/** One operation on one attribute or property. */
export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove'
  readonly name: string
  readonly value?: unknown
  readonly dialect: PatchDialect
  /** Only of `locations`: what is to be done with them. */
  readonly locations?: LocationOperation
}

const TYPES: Readonly<Record<string, PatchDialect>> = {
  'application/openstack-images-v2.0-json-patch': 'v2.0',
  'application/openstack-images-v2.1-json-patch': 'v2.1'
}

const MAX_OPERATIONS = 1000

/** The dialect that a Content-Type names; anything else is 415 with `Accept-Patch`. */
export function patchDialect(contentType: string | undefined): PatchDialect {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const dialect = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
  if (dialect === undefined) {
    throw new TankError(
      'UNSUPPORTED_MEDIA_TYPE',
      `PATCH takes ${Object.keys(TYPES).join(' or ')}`,
      { headers: { 'accept-patch': Object.keys(TYPES).join(', ') } }
    )
  }
  return dialect
}

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

type RawOperation = Readonly<Record<string, unknown>>

function readOp(raw: RawOperation, dialect: PatchDialect): { op: string; path: unknown } {
  if (dialect === 'v2.1') return { op: String(raw.op), path: raw.path }
  const verbs = ['add', 'replace', 'remove'].filter((verb) => Object.hasOwn(raw, verb))
  const [verb] = verbs
  if (verbs.length !== 1 || verb === undefined)
    invalid("Each operation must have exactly one of 'add', 'replace' and 'remove'")
  return { op: verb, path: raw[verb] }
}

function pointerSegments(path: unknown): string[] {
  if (typeof path !== 'string') invalid("Each operation needs a 'path'")
  if (!path.startsWith('/')) invalid("A path must start with '/'")
  if (path.endsWith('/')) invalid("A path must not end with '/'")
  if (/~(?![01])/.test(path)) invalid("In a path '~' may only stand in '~0' and '~1'")
  const segments = path
    .slice(1)
    .split('/')
    .map((part) => part.trim().replaceAll('~1', '/').replaceAll('~0', '~'))
  if (segments.includes('')) invalid('A path must not have empty segments')
  return segments
}

function readValue(op: string, raw: object): unknown {
  if (!Object.hasOwn(raw, 'value')) invalid(`Operation '${op}' needs a 'value'`)
  return (raw as { value: unknown }).value
}

/** Where PATCH may change locations, `locations` is true. */
export interface PatchRules {
  readonly locations: boolean
}

function readLocationsOperation(
  op: PatchOperation['op'],
  position: string | undefined,
  raw: object,
  rules: PatchRules
): LocationOperation {
  if (!rules.locations) {
    throw new TankError('FORBIDDEN', 'Locations of an image are not visible here and cannot be set')
  }
  const value = op === 'remove' ? undefined : readValue(op, raw)
  return readLocationOperation(op, position ?? '', value)
}

function readOperation(raw: unknown, dialect: PatchDialect, rules: PatchRules): PatchOperation {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    invalid('Each operation must be an object')
  const { op, path } = readOp(raw as RawOperation, dialect)
  if (op !== 'add' && op !== 'replace' && op !== 'remove')
    invalid("An operation must be one of 'add', 'replace' and 'remove'")
  const [name = '', ...deeper] = pointerSegments(path)
  if (name === 'locations' && deeper.length === (op === 'replace' ? 0 : 1)) {
    const locations = readLocationsOperation(op, deeper[0], raw, rules)
    return { op, name, dialect, locations }
  }
  if (deeper.length > 0) invalid('A path must have one segment')
  if (name === 'locations') invalid("Locations are added and removed at '/locations/<position>'")
  if (READ_ONLY.has(name)) throw new TankError('FORBIDDEN', `Attribute '${name}' is read-only.`)
  if (isReserved(name))
    throw new TankError('FORBIDDEN', `Attribute '${name.slice(0, 255)}' is reserved.`)
  if (op === 'remove') {
    if (isWritableAttribute(name))
      throw new TankError('FORBIDDEN', `Attribute '${name}' cannot be removed.`)
    return { op, name, dialect }
  }
  const value = readValue(op, raw)
  checkValue(name, value)
  return { op, name, value, dialect }
}

/**
 * Reads the body of a PATCH in either dialect (P1–P6, P8). What can be said without the image is said
 * here: INVALID_REQUEST for the form, FORBIDDEN for names that cannot be written.
 */
export function readPatch(
  body: unknown,
  dialect: PatchDialect,
  rules: PatchRules = { locations: false }
): readonly PatchOperation[] {
  if (!Array.isArray(body)) invalid('The body must be a list of operations')
  if (body.length > MAX_OPERATIONS) {
    throw new TankError('LIMIT_EXCEEDED', `A patch has at most ${MAX_OPERATIONS} operations`)
  }
  return body.map((raw) => readOperation(raw, dialect, rules))
}
