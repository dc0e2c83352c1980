import { isWritable, type Stores, type WritableStore } from '@tank/store'
import type { ApiConfig } from '../config.ts'

export interface StagingStore {
  readonly name: string
  readonly store: WritableStore
  readonly weight: number | undefined
}

/** The store that keeps staged data. Throws when the configuration names none that takes images. */
export function stagingStore(config: ApiConfig, stores: Stores): StagingStore {
  const { stagingStore: wished } = config.imports
  const name = wished === '' ? (stores.default ?? '') : wished
  const entry = stores.entry(name)
  if (entry === undefined || !isWritable(entry.store)) {
    const why = entry === undefined ? 'does not exist' : 'does not take images'
    throw new Error(`api.imports.stagingStore: the store '${name}' ${why}`)
  }
  return { name, store: entry.store, weight: entry.weight }
}
