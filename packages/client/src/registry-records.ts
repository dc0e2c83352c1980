import type {
  ImageRecord,
  Membership,
  MembershipWish,
  RegistryCaller,
  SharedImage
} from '@tank/model'
import { checked, type Exchange, json, type RegistryCallOptions } from './registry-exchange.ts'

/** What the Image API v1 needs to know of images and their members. */
export interface RecordCalls {
  /** Administrators get deleted images, too. */
  getRecord(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<ImageRecord>
  /** `query`: the raw query of a list of the Image API v1, without `?`. */
  listRecords(c: RegistryCaller, query: string, o?: RegistryCallOptions): Promise<ImageRecord[]>
  /** All members of an image, the oldest first. */
  listMemberships(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<Membership[]>
  /** `limit`: the most members that the image may have after one more, null for any number. */
  putMembership(
    c: RegistryCaller,
    id: string,
    wish: MembershipWish,
    limit: number | null,
    o?: RegistryCallOptions
  ): Promise<void>
  /** Replaces all members at once. `limit`: the most that there may be, null for any number. */
  replaceMemberships(
    c: RegistryCaller,
    id: string,
    wishes: readonly MembershipWish[],
    limit: number | null,
    o?: RegistryCallOptions
  ): Promise<void>
  /** The images that a member has got; those of others are left out unless the caller is the member. */
  listSharedImages(
    c: RegistryCaller,
    member: string,
    o?: RegistryCallOptions
  ): Promise<SharedImage[]>
}

function recordPath(id: string): string {
  return `/v1/records/${encodeURIComponent(id)}`
}

/** The calls about records over an exchange. */
export function createRecordCalls(exchange: Exchange): RecordCalls {
  const get = async (caller: RegistryCaller, path: string, o: RegistryCallOptions | undefined) =>
    checked(await exchange(caller, 'GET', path, undefined, o))
  const listMemberships: RecordCalls['listMemberships'] = async (caller, id, o) =>
    json<{ members: Membership[] }>(await get(caller, `${recordPath(id)}/members`, o)).members
  return {
    getRecord: async (caller, id, o) => json<ImageRecord>(await get(caller, recordPath(id), o)),
    listRecords: async (caller, query, o) =>
      json<ImageRecord[]>(await get(caller, `/v1/records${query === '' ? '' : `?${query}`}`, o)),
    listMemberships,
    async putMembership(caller, id, wish, limit, o) {
      const { member_id: member, ...rest } = wish
      const path = `${recordPath(id)}/members/${encodeURIComponent(member)}`
      const answer = await exchange(caller, 'PUT', path, { ...rest, limit }, o)
      if (answer.status === 413 && answer.repeated) {
        // the first sending may have added the last member that there may be
        const now = await listMemberships(caller, id, o)
        if (now.some((known) => fulfils(known, wish))) return
      }
      checked(answer)
    },
    async replaceMemberships(caller, id, wishes, limit, o) {
      const path = `${recordPath(id)}/members`
      checked(await exchange(caller, 'PUT', path, { members: wishes, limit }, o))
    },
    async listSharedImages(caller, member, o) {
      const path = `/v1/shared/${encodeURIComponent(member)}`
      return json<{ images: SharedImage[] }>(await get(caller, path, o)).images
    }
  }
}

function fulfils(known: Membership, { member_id, can_share }: MembershipWish): boolean {
  return known.member_id === member_id && known.can_share === (can_share ?? known.can_share)
}
