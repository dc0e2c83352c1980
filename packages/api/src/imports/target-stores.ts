import { TankError } from '@tank/model'
import { isWritable, type Stores } from '@tank/store'
import type { ImportRequest } from './import-request.ts'

function isTarget(stores: Stores, name: string): boolean {
  const store = stores.get(name)
  return store !== undefined && isWritable(store)
}

/** Stores that an import names, or that stand for none named (I9, I10). */
export function targetStores(
  stores: Stores,
  request: Pick<ImportRequest, 'stores' | 'allStores'>,
  header: string | undefined
): readonly string[] {
  const { stores: named, allStores } = request
  if (allStores && (named !== undefined || header !== undefined)) {
    throw new TankError('INVALID_REQUEST', "'all_stores' goes with no other choice of stores")
  }
  if (named !== undefined && header !== undefined) {
    throw new TankError('INVALID_REQUEST', "'stores' and x-image-meta-store exclude each other")
  }
  if (allStores) return stores.names().filter((name) => isTarget(stores, name))
  const chosen = named ?? [header ?? stores.default ?? '']
  for (const name of chosen) {
    if (isTarget(stores, name)) continue
    const known = stores.get(name) !== undefined
    const why = known ? 'does not take images' : 'does not exist'
    throw new TankError('IMAGE_STATE', `Store '${name.slice(0, 64)}' ${why}`)
  }
  return chosen
}
