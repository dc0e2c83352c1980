import type { Static, TObject } from 'typebox'
import { check, type Report, withDefaults } from './check.ts'
import { coerce } from './coerce.ts'
import { ConfigError } from './config-error.ts'
import { configVariables, schemaAt } from './environment.ts'
import { readConfigFile, substitute, walk } from './read-file.ts'
import { isTree, pointerTo, type Schema, type Tree } from './schema.ts'

export interface ConfigLayer {
  /** Where the values come from, as faults name it: `TANK_DATABASE_URL`, `--port`. */
  readonly source: string
  readonly values: object
}

export interface ConfigSources {
  /** A YAML or JSON file. */
  readonly file?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** `TANK_`: then `TANK_API__PORT` is `/api/port`. */
  readonly envPrefix?: string | undefined
  /** Values above the file and below the variables of `envPrefix`, the strongest last. */
  readonly layers?: readonly ConfigLayer[] | undefined
  /** The strongest values of all: the command line. */
  readonly overrides?: object | undefined
  /** Says what is wrong with values that the schema takes; its pointers may name any place. */
  readonly check?: ((config: object, report: Report) => void) | undefined
}

class Builder {
  readonly tree: Tree = Object.create(null)
  readonly faults: string[] = []
  readonly #sources = new Map<string, string>()
  readonly #schema: Schema

  constructor(schema: Schema) {
    this.#schema = schema
  }

  set(path: readonly string[], value: unknown, source: string): void {
    let node = this.tree
    for (const [index, key] of path.entries()) {
      if (index === path.length - 1) {
        // an empty section does not wipe out what a weaker source put there
        const isEmptySection = isTree(value) && Object.keys(value).length === 0
        if (!(isEmptySection && isTree(node[key]))) node[key] = value
      } else {
        if (!isTree(node[key])) node[key] = Object.create(null)
        node = node[key] as Tree
      }
    }
    this.#sources.set(path.reduce<string>(pointerTo, ''), source)
  }

  addTree(
    tree: unknown,
    source: string,
    change: (path: readonly string[], leaf: unknown) => unknown
  ): void {
    walk(
      tree,
      [],
      (path, leaf) => {
        if (path.length > 0 && leaf !== undefined) this.set(path, change(path, leaf), source)
      },
      (pointer) => this.faults.push(`${pointer}: this name is not allowed (${source})`)
    )
  }

  schemaAt(path: readonly string[]): Schema | undefined {
    return schemaAt(this.#schema, path, this.tree)
  }

  /** The source of a value, or of the nearest thing around it that has one. */
  sourceOf(pointer: string, otherwise: string): string {
    for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
      const source = this.#sources.get(at)
      if (source !== undefined) return source
    }
    return otherwise
  }
}

/** Puts variables into the texts of a leaf, which may be a list. */
function fillIn(
  leaf: unknown,
  schema: Schema | undefined,
  env: Readonly<Record<string, string | undefined>>,
  missing: (name: string) => void
): unknown {
  if (Array.isArray(leaf)) {
    return leaf.map((item) => fillIn(item, schema?.items, env, missing))
  }
  if (isTree(leaf)) {
    return Object.fromEntries(
      Object.entries(leaf).map(([key, item]) => [key, fillIn(item, undefined, env, missing)])
    )
  }
  if (typeof leaf !== 'string') return leaf
  const { value, wasText } = substitute(leaf, env, missing)
  return wasText && typeof value === 'string' ? coerce(schema, value) : value
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const entry of Object.values(value)) deepFreeze(entry)
  }
  return value
}

/**
 * Builds the configuration of a server: defaults, then the file, then `layers`, then variables,
 * then `overrides`. The result is frozen, its objects have no prototype.
 *
 * @throws {ConfigError} with every fault at once, each with its JSON pointer and its source
 */
export function loadConfig<S extends TObject>(schema: S, sources: ConfigSources): Static<S> {
  const root: Schema = schema
  const env = sources.env ?? {}
  const builder = new Builder(root)
  const { faults } = builder
  let fallback = sources.envPrefix === undefined ? 'configuration' : 'environment'
  if (sources.file !== undefined) {
    const { tree, name } = readConfigFile(sources.file, faults)
    fallback = name
    builder.addTree(tree, name, (path, leaf) =>
      fillIn(leaf, builder.schemaAt(path), env, (variable) =>
        faults.push(
          `${path.reduce<string>(pointerTo, '')}: the variable ${variable} is not set (${name})`
        )
      )
    )
    if (faults.length > 0 && Object.keys(tree).length === 0) throw new ConfigError(faults)
  }
  for (const { source, values } of sources.layers ?? []) {
    builder.addTree(values, source, (path, leaf) =>
      typeof leaf === 'string' ? coerce(builder.schemaAt(path), leaf) : leaf
    )
  }
  if (sources.envPrefix !== undefined) {
    for (const { name, path, text } of configVariables(
      env,
      sources.envPrefix,
      root,
      builder.tree
    )) {
      builder.set(path, coerce(builder.schemaAt(path), text), name)
    }
  }
  builder.addTree(sources.overrides ?? {}, 'command line', (_path, leaf) => leaf)
  const config = withDefaults(root, builder.tree)
  const report: Report = (pointer, message) => {
    faults.push(`${pointer || '/'}: ${message} (${builder.sourceOf(pointer, fallback)})`)
  }
  check(root, config, '', report)
  if (faults.length === 0) sources.check?.(config as object, report)
  if (faults.length > 0) throw new ConfigError(faults)
  return deepFreeze(config) as Static<S>
}
