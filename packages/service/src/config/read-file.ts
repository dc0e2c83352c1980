import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseDocument } from 'yaml'
import { isTree, pointerTo, type Tree } from './schema.ts'

export interface FileTree {
  readonly tree: Tree
  readonly name: string
}

/** Reads a YAML (so also JSON) file; problems are noted as faults. */
export function readConfigFile(path: string, faults: string[]): FileTree {
  const name = basename(path)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not found' : String(error)
    faults.push(`/: cannot read the file: ${reason} (${path})`)
    return { tree: {}, name }
  }
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  for (const error of document.errors) {
    // the text after the first line of a message shows the file's content, maybe a secret
    const [line = error.message] = error.message.split('\n')
    faults.push(`/: ${line.replace(/:$/, '')} (${name})`)
  }
  if (document.errors.length > 0) return { tree: {}, name }
  const tree: unknown = document.toJS({ maxAliasCount: 100 })
  if (tree === null || tree === undefined) return { tree: {}, name }
  if (!isTree(tree)) {
    faults.push(`/: must be a map of sections (${name})`)
    return { tree: {}, name }
  }
  return { tree, name }
}

const PLACEHOLDER = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g

export interface Substitution {
  readonly value: unknown
  /** The value came from the environment as a whole, so it is text that may mean a number. */
  readonly wasText: boolean
}

/** Puts variables in the place of `${NAME}`; `$${NAME}` stays as `${NAME}`. */
export function substitute(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  missing: (name: string) => void
): Substitution {
  let found = false
  const value = text.replace(PLACEHOLDER, (whole, escaped: string, name: string) => {
    if (escaped !== '') return whole.slice(1)
    found = true
    const given = env[name]
    if (given === undefined) missing(name)
    return given ?? whole
  })
  return { value, wasText: found }
}

const POISON = new Set(['__proto__', 'constructor', 'prototype'])

/** Calls `visit` for every leaf of a tree; keys that reach for prototypes are faults. */
export function walk(
  value: unknown,
  pointer: readonly string[],
  visit: (path: readonly string[], leaf: unknown) => void,
  poisoned: (pointer: string) => void
): void {
  if (!isTree(value)) {
    visit(pointer, value)
    return
  }
  const keys = Object.keys(value)
  if (keys.length === 0) visit(pointer, {})
  for (const key of keys) {
    if (POISON.has(key)) poisoned(pointerTo(pointer.reduce<string>(pointerTo, ''), key))
    else walk(value[key], [...pointer, key], visit, poisoned)
  }
}
