import { parse } from 'yaml'
import type { Schema } from './schema.ts'

const NUMBER = /^-?(?:\d+|\d*\.\d+)(?:[eE][+-]?\d+)?$/

function leaves(schema: Schema): readonly Schema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(leaves)
}

function structured(text: string): unknown {
  try {
    return parse(text, { schema: 'core' })
  } catch {
    return text
  }
}

/**
 * Reads a text (of a variable) as the type that the schema asks for. Text that does not fit stays
 * as it is, so that validation names the fault.
 */
export function coerce(schema: Schema | undefined, text: string): unknown {
  if (schema === undefined) return text
  const all = leaves(schema)
  const takes = (type: string) => all.some((each) => each.type === type)
  const trimmed = text.trim()
  if (all.some((each) => each.const === text || each.enum?.includes(text))) return text
  if ((takes('number') || takes('integer')) && NUMBER.test(trimmed)) return Number(trimmed)
  if (takes('boolean') && /^(?:true|false)$/i.test(trimmed)) return /^true$/i.test(trimmed)
  if (takes('null') && trimmed === 'null') return null
  if (takes('array')) {
    if (trimmed.startsWith('[')) return structured(trimmed)
    return trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim())
  }
  if (takes('object') && trimmed.startsWith('{')) return structured(trimmed)
  return text
}
