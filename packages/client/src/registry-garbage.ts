import type { GarbagePlacement, PendingDelete, StoredPlacement } from '@tank/model'
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
  /** What lies in a store, by id, after this one; a page that is not full is the last one. */
  listPlacements(
    store: string,
    page: { readonly after?: string | undefined; readonly limit: number },
    o?: RegistryCallOptions
  ): Promise<readonly StoredPlacement[]>
  /** Whether something is still stored, and not garbage by now. */
  isStored(placementId: string, o?: RegistryCallOptions): Promise<boolean>
  /** Images that wait for their deletion, at most 1000, those that are due first. */
  listPendingDeletes(o?: RegistryCallOptions): Promise<readonly PendingDelete[]>
  /** Deletes for good what has waited for long enough; returns how many images. */
  scrub(o?: RegistryCallOptions): Promise<number>
  /**
   * Takes back a deletion that waits. Rejects with IMAGE_NOT_FOUND, IMAGE_STATE (it does not wait) or
   * QUOTA_EXCEEDED.
   */
  restoreImage(id: string, o?: RegistryCallOptions): Promise<void>
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
    },
    async listPlacements(store, { after, limit }, options) {
      const query = new URLSearchParams({ store, limit: String(limit), ...(after && { after }) })
      const path = `/v1/placements?${query}`
      const answer = checked(await exchange(SYSTEM_CALLER, 'GET', path, undefined, options))
      return json<{ placements: StoredPlacement[] }>(answer).placements
    },
    async isStored(placementId, options) {
      const path = `/v1/placements/${encodeURIComponent(placementId)}`
      const answer = await exchange(SYSTEM_CALLER, 'GET', path, undefined, options)
      if (answer.status === 404) return false
      checked(answer)
      return true
    },
    async listPendingDeletes(options) {
      const path = '/v1/garbage/images'
      const answer = checked(await exchange(SYSTEM_CALLER, 'GET', path, undefined, options))
      return json<{ images: PendingDelete[] }>(answer).images
    },
    async scrub(options) {
      for (let all = 0; ; ) {
        const answer = checked(await post('images/scrub', {}, options))
        const { scrubbed } = json<{ scrubbed: number }>(answer)
        if (scrubbed === 0) return all
        all += scrubbed
      }
    },
    async restoreImage(id, options) {
      const path = `/v1/images/${encodeURIComponent(id)}`
      const answer = await exchange(SYSTEM_CALLER, 'POST', `${path}/restore`, undefined, options)
      if (answer.status === 409 && answer.repeated) {
        // the first sending may have been carried out: what is found is not deleted
        const { status } = await exchange(SYSTEM_CALLER, 'GET', path, undefined, options)
        if (status === 200) return
      }
      checked(answer)
    }
  }
}
