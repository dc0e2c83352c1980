import { TankError } from '@tank/model'
import { isWritable, type WritableStore } from '@tank/store'
import type { ApiContext } from '../../context.ts'

/** Words that v1 has for kinds of stores, by the kinds that Tank has. */
const SCHEMES: Readonly<Record<string, string>> = {
  file: 'fs',
  filesystem: 'fs',
  chase: 'chase',
  'chase+http': 'chase',
  'chase+https': 'chase',
  swift: 'chase',
  'swift+http': 'chase',
  'swift+https': 'chase',
  s3: 's3',
  's3+http': 's3',
  's3+https': 's3'
}

/** The store that data goes to. */
export interface Target {
  readonly storeName: string
  readonly store: WritableStore
  readonly weight: number | undefined
}

/** The name of a store, or the first one of a kind, the default store before all others. */
function nameOf({ stores }: ApiContext, wished: string): string | undefined {
  if (stores.get(wished) !== undefined) return wished
  const type = Object.hasOwn(SCHEMES, wished) ? SCHEMES[wished] : undefined
  if (type === undefined) return undefined
  const names = [...(stores.default === undefined ? [] : [stores.default]), ...stores.names()]
  return names.find((name) => stores.get(name)?.type === type)
}

/**
 * Where data goes: to the store that `x-image-meta-store` names, by its name or by its kind (v1 1.4),
 * else to the default store. Throws INVALID_REQUEST.
 */
export function targetOf(context: ApiContext, wished: string | undefined): Target {
  const { stores } = context
  const storeName = wished === undefined ? stores.default : nameOf(context, wished)
  const store = storeName === undefined ? undefined : stores.get(storeName)
  if (store === undefined || storeName === undefined) {
    throw new TankError('INVALID_REQUEST', `There is no store '${wished?.slice(0, 64) ?? ''}'`)
  }
  if (!isWritable(store)) {
    throw new TankError('INVALID_REQUEST', `Store '${storeName}' does not take images`)
  }
  return { storeName, store, weight: stores.entry(storeName)?.weight }
}
