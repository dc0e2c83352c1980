import type { GarbagePlacement } from '@tank/model'
import {
  checked,
  type Exchange,
  json,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'

/** What collectors call, and who looks for orphans. */
export interface GarbageCalls {
  claimGarbage(
    stores: readonly string[],
    limit: number,
    o?: RegistryCallOptions
  ): Promise<GarbagePlacement[]>
  garbageDeleted(id: string, claim: string, o?: RegistryCallOptions): Promise<void>
  /** Which of these keys of a store no record names; at most 1000 keys a call. */
  findOrphans(
    store: string,
    keys: readonly string[],
    o?: RegistryCallOptions
  ): Promise<readonly string[]>
}

/** The calls about garbage over an exchange. */
export function createGarbageCalls(exchange: Exchange): GarbageCalls {
  const post = (path: string, body: object, options: RegistryCallOptions | undefined) =>
    exchange(SYSTEM_CALLER, 'POST', `/v1/garbage/${path}`, body, options)
  return {
    async claimGarbage(stores, limit, options) {
      const answer = checked(await post('claim', { stores, limit }, options))
      return json<{ garbage: GarbagePlacement[] }>(answer).garbage
    },
    async garbageDeleted(id, claim, options) {
      const answer = await post(`${encodeURIComponent(id)}/deleted`, { claim }, options)
      if (answer.status === 404 && answer.repeated) return
      checked(answer)
    },
    async findOrphans(store, keys, options) {
      const answer = checked(await post('orphans', { store, keys }, options))
      return json<{ orphans: string[] }>(answer).orphans
    }
  }
}
