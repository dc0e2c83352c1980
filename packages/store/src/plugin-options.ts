import { type Static, type TSchema, Type } from 'typebox'
import Value from 'typebox/value'
import type { StoreInfo } from './stores.ts'

/** The options of a store are wrong; `faults` has every fault, each with its pointer. */
export class StoreOptionsError extends Error {
  override readonly name = 'StoreOptionsError'
  readonly faults: readonly string[]

  constructor(subject: string, faults: readonly string[]) {
    super(`${subject}: ${faults.join('; ')}`)
    this.faults = faults
  }
}

interface SplitOptions {
  readonly as: string
  readonly info: StoreInfo
  readonly own: Record<string, unknown>
}

const common = Type.Object(
  {
    as: Type.Optional(Type.String({ minLength: 1 })),
    default: Type.Optional(Type.Boolean()),
    description: Type.Optional(Type.String()),
    weight: Type.Optional(Type.Integer())
  },
  { additionalProperties: false }
)

/** Parts the options that every store plugin has from those of the store itself. */
export function splitOptions(type: string, given: object): SplitOptions {
  const { as, default: isDefault, description, weight, ...own } = given as Record<string, unknown>
  const named = { as, default: isDefault, description, weight }
  const present = Object.entries(named).filter(([, value]) => value !== undefined)
  const subject = `store "${typeof as === 'string' ? as : type}" (${type})`
  const { as: name = type, ...info } = parseOptions(common, Object.fromEntries(present), subject)
  return { as: name, info, own }
}

/** Checks options against a schema, fills in its defaults, and reports all faults at once. */
export function parseOptions<S extends TSchema>(
  schema: S,
  given: object,
  subject: string
): Static<S> {
  const closed = closedSchema(schema)
  const options = Value.Default(closed, Value.Clone(given))
  const faults = optionFaults(closed, options)
  if (faults.length > 0) throw new StoreOptionsError(subject, faults)
  return options as Static<S>
}

/** A mistyped option must not pass for a default, so unknown ones are faults. */
function closedSchema(schema: TSchema): TSchema {
  if (!Type.IsObject(schema) || 'additionalProperties' in schema) return schema
  return Type.Object(schema.properties, { ...schema, additionalProperties: false })
}

function optionFaults(schema: TSchema, options: unknown): string[] {
  const faults = new Set<string>()
  for (const error of Value.Errors(schema, options)) {
    const at = error.instancePath
    if (error.keyword === 'required') {
      for (const name of error.params.requiredProperties) faults.add(`${at}/${name}: missing`)
    } else if (error.keyword === 'additionalProperties') {
      const unknown = error.params.additionalProperties
      for (const name of unknown) faults.add(`${at}/${name}: unknown option`)
    } else if (error.keyword !== 'boolean') {
      // 'boolean' only repeats what 'additionalProperties' says of the same option.
      faults.add(`${at || '/'}: ${error.message}`)
    }
  }
  return [...faults]
}
