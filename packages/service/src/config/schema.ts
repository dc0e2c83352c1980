import { Value } from 'typebox/value'

/** The parts of JSON Schema that configuration schemas are made of. */
export interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly default?: unknown
}

export type Tree = Record<string, unknown>

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON pointer of a key below a pointer. */
export function pointerTo(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function isDiscriminatedBy(schema: Schema, value: Tree): boolean {
  const consts = Object.entries(schema.properties ?? {}).filter(([, each]) => 'const' in each)
  return (
    consts.length > 0 &&
    consts.every(([key, each]) => (key in value ? value[key] : each.default) === each.const)
  )
}

/** The branch of a union that a value means; the schema itself when it is no union. */
export function branchOf(schema: Schema, value: unknown): Schema | undefined {
  if (schema.anyOf === undefined) return schema
  const branches = schema.anyOf.map((each) => branchOf(each, value)).filter((each) => !!each)
  if (isTree(value)) {
    const objects = branches.filter((each) => each.type === 'object')
    return objects.find((each) => isDiscriminatedBy(each, value)) ?? only(objects)
  }
  if (Array.isArray(value)) return branches.find((each) => each.type === 'array')
  return branches.find((each) => isValid(each, value)) ?? only(branches.filter(isLeafLike(value)))
}

function only<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined
}

function isLeafLike(value: unknown): (schema: Schema) => boolean {
  return (schema) =>
    !('const' in schema) &&
    (schema.type === typeof value || (schema.type === 'integer' && typeof value === 'number'))
}

/** The schema of a key of an object schema; undefined when nothing is known about the key. */
export function schemaOfKey(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema === undefined) return undefined
  const { properties, patternProperties, additionalProperties } = schema
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key]
  for (const [pattern, each] of Object.entries(patternProperties ?? {})) {
    if (new RegExp(pattern, 'u').test(key)) return each
  }
  return typeof additionalProperties === 'object' ? additionalProperties : undefined
}

/** Whether an object schema has nothing to say about a key: then the key is a fault. */
export function isUnknownKey(schema: Schema, key: string): boolean {
  if (schema.type !== 'object' || schemaOfKey(schema, key) !== undefined) return false
  if (schema.additionalProperties === true) return false
  return schema.properties !== undefined || schema.patternProperties !== undefined
}

function isValid(schema: Schema, value: unknown): boolean {
  return Value.Check(schema, value)
}

/** What the schema says against a value, without looking into unions and children. */
export function messagesOf(schema: Schema, value: unknown): string[] {
  const messages = Value.Errors(schema, value).map(({ message, keyword, params }) => {
    if (keyword === 'const') {
      return `must be ${JSON.stringify((params as { allowedValue?: unknown }).allowedValue)}`
    }
    if (keyword === 'enum') return `must be one of ${(schema.enum ?? []).map(show).join(', ')}`
    return message
  })
  return [...new Set(messages)]
}

const show = (value: unknown) => JSON.stringify(value) ?? 'undefined'

/** What a union accepts, in words. */
export function describe(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(describe).join(', ')
  if ('const' in schema) return show(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(show).join(', ')
  return schema.type ?? 'anything'
}
