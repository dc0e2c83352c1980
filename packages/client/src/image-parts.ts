import type { MemberDocument, MemberStatus } from '@tank/model'
import { TankClientError } from './errors.ts'
import { type CallOptions, type ImageHttp, REMOVAL, readList, readObject } from './image-http.ts'
import { imagePath } from './image-path.ts'
import type { Answer } from './transport.ts'

/** Tags of an image. */
export interface Tags {
  /** Adding a tag that is there changes nothing. */
  add(imageId: string, tag: string, options?: CallOptions): Promise<void>
  remove(imageId: string, tag: string, options?: CallOptions): Promise<void>
}

/** Projects that a shared image is shared with. */
export interface Members {
  /** To the owner all of them, to a member itself alone. */
  list(imageId: string, options?: CallOptions): Promise<MemberDocument[]>
  /** Offers the image to a project (`pending`); its visibility has to be `shared`. */
  add(imageId: string, member: string, options?: CallOptions): Promise<MemberDocument>
  show(imageId: string, member: string, options?: CallOptions): Promise<MemberDocument>
  /** What the member itself says to the offer; `accepted` puts the image into its lists. */
  setStatus(
    imageId: string,
    member: string,
    status: MemberStatus,
    options?: CallOptions
  ): Promise<MemberDocument>
  remove(imageId: string, member: string, options?: CallOptions): Promise<void>
}

export function createTags(http: ImageHttp): Tags {
  return {
    async add(imageId, tag, options) {
      const path = imagePath(imageId, 'tags', tag)
      await http.call({ method: 'PUT', path, repeat: 'always', ...options })
    },
    async remove(imageId, tag, options) {
      const path = imagePath(imageId, 'tags', tag)
      await http.call({ method: 'DELETE', path, ...REMOVAL, ...options })
    }
  }
}

export function createMembers(http: ImageHttp): Members {
  return {
    async list(imageId, options) {
      const path = imagePath(imageId, 'members')
      const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
      return readList(answer, 'members').map(toMember)
    },
    async add(imageId, member, options) {
      const path = imagePath(imageId, 'members')
      const body = { member }
      return read(await http.call({ method: 'POST', path, body, repeat: 'unsent', ...options }))
    },
    async show(imageId, member, options) {
      const path = imagePath(imageId, 'members', member)
      return read(await http.call({ method: 'GET', path, repeat: 'always', ...options }))
    },
    async setStatus(imageId, member, status, options) {
      const path = imagePath(imageId, 'members', member)
      const body = { status }
      return read(await http.call({ method: 'PUT', path, body, repeat: 'always', ...options }))
    },
    async remove(imageId, member, options) {
      const path = imagePath(imageId, 'members', member)
      await http.call({ method: 'DELETE', path, ...REMOVAL, ...options })
    }
  }
}

function read(answer: Answer): MemberDocument {
  return toMember(readObject(answer))
}

function toMember(value: unknown): MemberDocument {
  if (!isMember(value)) throw new TankClientError('BAD_ANSWER', 'the server sent no member')
  return value
}

function isMember(value: unknown): value is MemberDocument {
  if (typeof value !== 'object' || value === null) return false
  return 'member_id' in value && typeof value.member_id === 'string'
}
