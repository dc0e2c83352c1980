import { TankError } from '@tank/model'
import type { Stores } from '@tank/store'

function isWeb(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:'
}

/**
 * The store that reads an outside location. Callers that are no service may name web addresses only
 * (LA4). An address that a store of the web does not accept goes to it all the same: that it refuses
 * is told by the task, so that addresses which are filtered look like those that do not answer (S-17).
 */
export function storeForLocation(stores: Stores, location: string, isService: boolean): string {
  const url = new URL(location)
  const outside = stores.names().filter((name) => stores.get(name)?.accepts !== undefined)
  const accepting = outside.find((name) => stores.get(name)?.accepts?.(url) === true)
  const chosen =
    isService || isWeb(url) ? (accepting ?? (isWeb(url) ? outside[0] : undefined)) : undefined
  if (chosen === undefined) {
    throw new TankError('FORBIDDEN', 'No store of this service takes such locations from you')
  }
  return chosen
}
