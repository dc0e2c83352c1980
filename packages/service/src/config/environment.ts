import { branchOf, isTree, type Schema, schemaOfKey } from './schema.ts'

export interface Variable {
  readonly name: string
  readonly path: readonly string[]
  readonly text: string
}

const plain = (key: string) => key.toLowerCase().replaceAll(/[_-]/g, '')

/** The key that a part of a variable name means: letter case and underscores make no difference. */
function keyFor(part: string, schema: Schema | undefined, existing: unknown): string {
  const known = Object.keys(schema?.properties ?? {})
  const present = isTree(existing) ? Object.keys(existing) : []
  const match = [...known, ...present].find((key) => plain(key) === plain(part))
  if (match !== undefined) return match
  return part === part.toUpperCase() ? part.toLowerCase() : part
}

/** Variables such as `TANK_API__PORT`, with the path in the configuration that they name. */
export function configVariables(
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
  root: Schema,
  tree: unknown
): Variable[] {
  const variables: Variable[] = []
  for (const [name, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (text === undefined || !name.toUpperCase().startsWith(prefix.toUpperCase())) continue
    const parts = name.slice(prefix.length).split('__')
    const isNested = parts.length > 1 || prefix.endsWith('__')
    if (!isNested || parts.some((part) => part === '')) continue
    let schema: Schema | undefined = root
    let existing: unknown = tree
    const path = parts.map((part) => {
      schema = schema === undefined ? undefined : objectBranch(schema, existing)
      const key = keyFor(part, schema, existing)
      schema = schemaOfKey(schema, key)
      existing = isTree(existing) ? existing[key] : undefined
      return key
    })
    variables.push({ name, path, text })
  }
  return variables
}

/** The object schema at a place; of several branches all their keys are known. */
function objectBranch(schema: Schema, existing: unknown): Schema | undefined {
  if (schema.anyOf === undefined) return schema
  const chosen = isTree(existing) ? branchOf(schema, existing) : undefined
  if (chosen !== undefined) return chosen
  const objects = schema.anyOf.filter((each) => each.type === 'object')
  if (objects.length === 0) return undefined
  return { type: 'object', properties: Object.assign({}, ...objects.map((o) => o.properties)) }
}

/** The schema at a path, as far as it is known. */
export function schemaAt(root: Schema, path: readonly string[], tree: unknown): Schema | undefined {
  let schema: Schema | undefined = root
  let existing = tree
  for (const key of path) {
    if (schema === undefined) return undefined
    schema = schemaOfKey(objectBranch(schema, existing), key)
    existing = isTree(existing) ? existing[key] : undefined
  }
  return schema
}
