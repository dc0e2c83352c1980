import {
  branchOf,
  describe,
  isTree,
  isUnknownKey,
  messagesOf,
  pointerTo,
  type Schema,
  schemaOfKey,
  type Tree
} from './schema.ts'

/** Takes what is wrong with a value at a JSON pointer. */
export type Report = (pointer: string, message: string) => void

/** Fills in defaults, also inside sections that are not given at all. */
export function withDefaults(schema: Schema, given: unknown): unknown {
  let value = given
  if (value === undefined && 'default' in schema) value = structuredClone(schema.default)
  if (value === undefined) {
    if (schema.type !== 'object' || schema.properties === undefined) return undefined
    value = {}
  }
  const branch = branchOf(schema, value)
  if (branch === undefined) return value
  if (Array.isArray(value)) {
    const { items } = branch
    return items === undefined ? value : value.map((item) => withDefaults(items, item))
  }
  if (!isTree(value)) return value
  const filled: Tree = Object.assign(Object.create(null), value)
  for (const [key, each] of Object.entries(branch.properties ?? {})) {
    const isWanted = branch.required?.includes(key) || 'default' in each
    if (!Object.hasOwn(filled, key) && !isWanted) continue
    const entry = withDefaults(each, filled[key])
    if (entry !== undefined) filled[key] = entry
  }
  for (const key of Object.keys(filled)) {
    if (branch.properties !== undefined && Object.hasOwn(branch.properties, key)) continue
    const each = schemaOfKey(branch, key)
    if (each !== undefined) filled[key] = withDefaults(each, filled[key])
  }
  return filled
}

function checkTree(schema: Schema, value: Tree, pointer: string, report: Report): void {
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(value, key)) {
      // a section that lacks something is named by what it lacks
      const each = schemaOfKey(schema, key)
      if (each?.type === 'object' && each.properties !== undefined) {
        checkTree(each, {}, pointerTo(pointer, key), report)
      } else report(pointerTo(pointer, key), 'missing')
    }
  }
  for (const [key, entry] of Object.entries(value)) {
    if (isUnknownKey(schema, key)) report(pointerTo(pointer, key), 'unknown key')
    else {
      const each = schemaOfKey(schema, key)
      if (each !== undefined) check(each, entry, pointerTo(pointer, key), report)
    }
  }
}

/** Reports everything that the schema has against a value. */
export function check(schema: Schema, value: unknown, pointer: string, report: Report): void {
  const branch = branchOf(schema, value)
  if (branch === undefined) {
    report(pointer, `must be one of ${describe(schema)}`)
    return
  }
  if (branch.type === 'object' && isTree(value)) {
    checkTree(branch, value, pointer, report)
    // what is left: limits on the object as a whole
    const { properties, patternProperties, additionalProperties, required, ...rest } = branch
    for (const message of messagesOf(rest, value)) report(pointer, message)
    return
  }
  if (branch.type === 'array' && Array.isArray(value)) {
    const { items, ...rest } = branch
    for (const message of messagesOf(rest, value)) report(pointer, message)
    if (items === undefined) return
    for (const [index, item] of value.entries()) {
      check(items, item, pointerTo(pointer, index), report)
    }
    return
  }
  for (const message of messagesOf(branch, value)) report(pointer, message)
}
