import type { MemberDocument, MemberStatus, RegistryCaller } from '@tank/model'
import { checked, type Exchange, json, type RegistryCallOptions } from './registry-exchange.ts'

/** Projects that images are shared with. */
export interface MemberCalls {
  listMembers(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<MemberDocument[]>
  /** `limit`: the most members that the image may have, null for any number. */
  addMember(
    c: RegistryCaller,
    id: string,
    member: string,
    limit: number | null,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  getMember(
    c: RegistryCaller,
    id: string,
    member: string,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  setMember(
    c: RegistryCaller,
    id: string,
    member: string,
    status: MemberStatus,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  removeMember(
    c: RegistryCaller,
    id: string,
    member: string,
    o?: RegistryCallOptions
  ): Promise<void>
}

/** The calls about members over an exchange. */
export function createMemberCalls(exchange: Exchange): MemberCalls {
  const getMember: MemberCalls['getMember'] = async (caller, id, member, o) =>
    json<MemberDocument>(
      checked(await exchange(caller, 'GET', membersPath(id, member), undefined, o))
    )
  return {
    getMember,
    async listMembers(caller, id, o) {
      const answer = checked(await exchange(caller, 'GET', membersPath(id), undefined, o))
      return json<{ members: MemberDocument[] }>(answer).members
    },
    async addMember(caller, id, member, limit, o) {
      const body = limit === null ? { member } : { member, limit }
      const answer = await exchange(caller, 'POST', membersPath(id), body, o)
      if (answer.status === 409 && answer.repeated) {
        const current = await getMember(caller, id, member, o)
        if (current.status === 'pending') return current
      }
      return json<MemberDocument>(checked(answer))
    },
    async setMember(caller, id, member, status, o) {
      const path = membersPath(id, member)
      return json<MemberDocument>(checked(await exchange(caller, 'PUT', path, { status }, o)))
    },
    async removeMember(caller, id, member, o) {
      const answer = await exchange(caller, 'DELETE', membersPath(id, member), undefined, o)
      if (answer.status === 404 && answer.repeated) return
      checked(answer)
    }
  }
}

function membersPath(id: string, member?: string): string {
  const path = `/v1/images/${encodeURIComponent(id)}/members`
  return member === undefined ? path : `${path}/${encodeURIComponent(member)}`
}
