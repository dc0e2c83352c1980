import {
  type CreateNamespace,
  type Definition,
  METADEF_KINDS,
  METADEF_LIMITS,
  METADEF_SCHEMAS,
  type MetadefKind,
  type NamespaceFields,
  TankError,
  textLength
} from '@tank/model'
import { Compile, type Validator } from 'typebox/compile'
import { parseJsonObject } from '../http/json.ts'

const READ_ONLY = ['self', 'schema', 'created_at', 'updated_at']

const { namespace, definitions, propertyMap } = METADEF_SCHEMAS

const strict = { type: 'object', additionalProperties: false } as const
const many = (kind: MetadefKind) => ({
  type: 'array',
  items: { ...strict, ...definitions[kind] }
})

const NAMESPACE = Compile({
  ...strict,
  required: ['namespace'],
  properties: {
    ...namespace,
    objects: many('objects'),
    properties: propertyMap,
    tags: many('tags'),
    resource_type_associations: many('resource_types')
  }
})

const DEFINITIONS: ReadonlyMap<MetadefKind, Validator> = new Map(
  METADEF_KINDS.map((kind) => [kind, Compile({ ...strict, ...definitions[kind] })])
)

const TAGS = Compile({ ...strict, required: ['tags'], properties: { tags: many('tags') } })

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

type JsonObject = Readonly<Record<string, unknown>>

/** Definitions as answers show them may be sent back: what the service has set is left out. */
function withoutOwn(list: unknown): unknown {
  if (!Array.isArray(list)) return list
  return list.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
    return Object.fromEntries(Object.entries(item).filter(([name]) => !READ_ONLY.includes(name)))
  })
}

/** A JSON object that follows a schema; what the service alone sets is forbidden. */
function readObject(
  body: unknown,
  validator: Validator,
  prepare = (value: JsonObject): JsonObject => value
): JsonObject {
  const given = parseJsonObject(body)
  const own = READ_ONLY.find((name) => Object.hasOwn(given, name))
  if (own !== undefined) throw new TankError('FORBIDDEN', `Attribute '${own}' is read-only.`)
  const value = prepare(given)
  if (!validator.Check(value)) {
    const [fault] = validator.Errors(value)
    invalid(`Invalid value at ${(fault?.instancePath || '/').slice(0, 255)}: ${fault?.message}`)
  }
  return value
}

function toDefinitions(value: unknown): readonly Definition[] {
  return (value ?? []) as readonly Definition[]
}

/** Properties by their names, as a list. */
function fromMap(value: unknown): readonly Definition[] {
  return Object.entries((value ?? {}) as Readonly<Record<string, object>>).map(
    ([name, property]) => {
      if (name === '' || textLength(name) > METADEF_LIMITS.name) {
        invalid(`The name of a property has 1 to ${METADEF_LIMITS.name} characters`)
      }
      return { ...property, name }
    }
  )
}

/** Reads a new namespace with all that is in it. */
export function readNamespace(body: unknown): CreateNamespace {
  const value = readObject(body, NAMESPACE, (given) =>
    Object.fromEntries(Object.entries(given).map(([name, part]) => [name, withoutOwn(part)]))
  )
  const { objects, properties, tags, resource_type_associations: types, ...fields } = value
  return {
    ...(fields as unknown as NamespaceFields),
    definitions: {
      objects: toDefinitions(objects),
      properties: fromMap(properties),
      tags: toDefinitions(tags),
      resource_types: toDefinitions(types)
    }
  }
}

/** Reads one definition of a kind. */
export function readDefinition(body: unknown, kind: MetadefKind): Definition {
  const validator = DEFINITIONS.get(kind)
  if (validator === undefined) throw new TypeError(`no schema of ${kind}`)
  return readObject(body, validator) as Definition
}

/** Reads a list of tags. */
export function readTags(body: unknown): readonly Definition[] {
  return toDefinitions(readObject(body, TAGS).tags)
}
