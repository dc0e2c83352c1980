import fc from 'fast-check'
import type { ApiDocument, Schema } from '../api-document.ts'
import { hostileText, hostileValue, mostly } from './hostile.ts'

/** Fields that may be left out are, mostly; `undefined` is no JSON. */
function ofObject(schema: Schema, of: (schema: Schema) => fc.Arbitrary<unknown>) {
  const { properties = {}, required = [], additionalProperties } = schema
  const absent = fc.constant(undefined)
  const fields = Object.entries(properties).map(([name, each]) => [
    name,
    required.includes(name) ? mostly(of(each), absent, 30) : mostly(absent, of(each), 3)
  ])
  const more =
    typeof additionalProperties === 'object'
      ? mostly(
          fc.constant({}),
          fc.dictionary(hostileText, of(additionalProperties), { maxKeys: 3 }),
          2
        )
      : mostly(fc.constant({}), fc.dictionary(hostileText, hostileValue))
  const known: fc.Arbitrary<object> = fc.record(Object.fromEntries(fields))
  return fc.tuple(known, more).map(([a, b]) => ({ ...b, ...a }))
}

function ofString(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.format === 'uuid' || schema.pattern?.includes('{8}-')) return fc.uuid()
  if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern))
  if (schema.examples !== undefined)
    return mostly(fc.constantFrom(...schema.examples), hostileText, 6)
  const maxLength = Math.min(schema.maxLength ?? 20, 300)
  return mostly(fc.string({ minLength: schema.minLength ?? 0, maxLength }), hostileText, 20)
}

/** Values that follow a schema, but for one part here and there. */
export function valuesOf(document: ApiDocument) {
  const usual = (schema: Schema): fc.Arbitrary<unknown> => {
    if (schema.$ref !== undefined) {
      const target = document.components.schemas[schema.$ref.split('/').at(-1) ?? '']
      return target === undefined ? hostileValue : of(target)
    }
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    const [type = 'any', ...others] = [schema.type ?? []].flat()
    if (others.length > 0) {
      return fc.oneof(...[type, ...others].map((each) => usual({ ...schema, type: each })))
    }
    const { minimum = 0, maximum = 2 ** 31 - 1 } = schema
    switch (type) {
      case 'object':
        return ofObject(schema, of)
      case 'array':
        return fc.array(of(schema.items ?? {}), { maxLength: 4 })
      case 'string':
        return ofString(schema)
      case 'integer':
        return fc.integer({ min: minimum, max: maximum })
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      default:
        return hostileValue
    }
  }
  const of = (schema: Schema): fc.Arbitrary<unknown> => mostly(usual(schema), hostileValue, 60)
  return of
}
