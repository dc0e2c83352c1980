import { randomUUID } from 'node:crypto'
import { type CreateImage, type ImageFields, isUuid, TankError } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import type { Policy } from '../policy/policy.ts'
import { demandNewProperty, type PropertyProtections } from '../policy/property-protections.ts'
import type { ImageFacts } from '../policy/rule.ts'
import {
  checkCount,
  checkProperty,
  checkValue,
  distinctTags,
  isReserved,
  isWritableAttribute
} from './attributes.ts'

interface ImageLimits {
  readonly properties: number
  readonly tags: number
  readonly members: number
}

/** What the wishes of a caller are held against. */
export interface ImageRules {
  readonly limits: ImageLimits
  readonly policy: Policy
  readonly protections: PropertyProtections
}

const NEVER_GIVEN: ReadonlySet<string> = new Set([
  'direct_url',
  'self',
  'file',
  'schema',
  'stores',
  'os_hash_algo',
  'os_hash_value'
])

/** Attributes of the service with the type that a value has to have to be "forbidden" and not "wrong". */
const SERVICE_TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  status: (v) => typeof v === 'string',
  checksum: (v) => v === null || typeof v === 'string',
  size: (v) => v === null || Number.isInteger(v),
  virtual_size: (v) => v === null || Number.isInteger(v),
  created_at: (v) => typeof v === 'string',
  updated_at: (v) => typeof v === 'string',
  locations: (v) => Array.isArray(v)
}

function forbidden(name: string): never {
  throw new TankError('FORBIDDEN', `Attribute '${name.slice(0, 255)}' is read-only.`)
}

function refuseServiceAttributes(names: readonly string[]): void {
  for (const name of names) if (NEVER_GIVEN.has(name)) forbidden(name)
  for (const name of names) {
    if (isReserved(name)) {
      throw new TankError('FORBIDDEN', `Attribute '${name.slice(0, 255)}' is reserved.`)
    }
  }
}

function readBody(body: Readonly<Record<string, unknown>>): {
  id: string | undefined
  fields: ImageFields
} {
  const properties: Record<string, string> = Object.create(null)
  const fields: Record<string, unknown> = {}
  const service: string[] = []
  let id: string | undefined
  for (const [name, value] of Object.entries(body)) {
    if (name === 'id') {
      if (typeof value !== 'string' || !isUuid(value))
        throw new TankError('INVALID_REQUEST', "Invalid value for 'id': it must be a UUID")
      id = value
    } else if (Object.hasOwn(SERVICE_TYPES, name)) {
      if (SERVICE_TYPES[name]?.(value) !== true)
        throw new TankError('INVALID_REQUEST', `Invalid value for '${name}'`)
      service.push(name)
    } else if (isWritableAttribute(name)) {
      checkValue(name, value)
      fields[name] = name === 'tags' ? distinctTags(value as readonly string[]) : value
    } else {
      checkProperty(name, value)
      properties[name] = value
    }
  }
  const [first] = service
  if (first !== undefined) forbidden(first)
  return { id, fields: { ...fields, properties } }
}

/**
 * Turns the body of "create image" into what the registry stores (C1–C9).
 * Throws INVALID_REQUEST, FORBIDDEN or LIMIT_EXCEEDED.
 */
export function newImage(
  body: Readonly<Record<string, unknown>>,
  caller: Caller,
  rules: ImageRules
): CreateImage {
  refuseServiceAttributes(Object.keys(body))
  const { id, fields } = readBody(body)
  const { limits, policy, protections } = rules
  const owner = fields.owner === undefined ? caller.project : fields.owner
  const target = { owner, visibility: fields.visibility ?? 'shared' }
  policy.demand(caller, 'add_image', { ...target, owner: caller.project })
  const isOwn = owner !== null && owner === caller.project
  if (!isOwn && !policy.may(caller, 'set_owner', target)) {
    throw new TankError(
      'FORBIDDEN',
      `You are not permitted to create images owned by '${owner ?? 'nobody'}'`
    )
  }
  demandVisibility(policy, caller, fields, target)
  for (const name of Object.keys(fields.properties ?? {})) {
    demandNewProperty(protections, caller, name)
  }
  checkCount('tags', fields.tags?.length ?? 0, limits.tags)
  checkCount('properties', Object.keys(fields.properties ?? {}).length, limits.properties)
  return { ...fields, id: id ?? randomUUID(), owner, create_token: randomUUID() }
}

/** Public and community images need a permission of their own (C6, P12). */
export function demandVisibility(
  policy: Policy,
  caller: Caller,
  fields: ImageFields,
  target: ImageFacts
): void {
  if (fields.visibility === 'public') policy.demand(caller, 'publicize_image', target)
  if (fields.visibility === 'community') policy.demand(caller, 'communitize_image', target)
}
