import { TankError } from '@tank/model'

/** The body of an import (R10) with its defaults. */
export interface ImportRequest {
  readonly method: Readonly<Record<string, unknown>> & { readonly name: string }
  /** Undefined: none is named. */
  readonly stores: readonly string[] | undefined
  readonly allStores: boolean
  readonly allMustSucceed: boolean
  /** The body as it came, for the task. */
  readonly body: Readonly<Record<string, unknown>>
}

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function readMethod(value: unknown, enabled: readonly string[]): ImportRequest['method'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    invalid("'method' must be an object with a 'name'")
  }
  const { name } = value as { name?: unknown }
  if (typeof name !== 'string') invalid("'method' needs a 'name'")
  if (!enabled.includes(name)) invalid(`Import method '${name.slice(0, 64)}' is not available`)
  return { ...value, name }
}

function readFlag(
  body: Readonly<Record<string, unknown>>,
  name: string,
  fallback: boolean
): boolean {
  const { [name]: value = fallback } = body
  if (typeof value !== 'boolean') invalid(`'${name}' must be true or false`)
  return value
}

function readStores(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  const isList = Array.isArray(value) && value.every((name) => typeof name === 'string')
  if (!isList) invalid("'stores' must be a list of store ids")
  const names = [...new Set(value as string[])]
  return names.length === 0 ? undefined : names
}

/** Reads the body of an import (I1). */
export function readImport(
  body: Readonly<Record<string, unknown>>,
  enabled: readonly string[]
): ImportRequest {
  return {
    method: readMethod(body.method, enabled),
    stores: readStores(body.stores),
    allStores: readFlag(body, 'all_stores', false),
    allMustSucceed: readFlag(body, 'all_stores_must_succeed', true),
    body
  }
}
