import {
  type ImageDocument,
  isStorableText,
  LIMITS,
  MEMBER_STATUSES,
  type MemberStatus,
  TankError,
  textLength
} from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonObject } from '../../http/json.ts'
import { isAdmin, registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { demand } from '../../policy.ts'
import type { ImageParams } from './images.ts'

interface MemberParams extends ImageParams {
  readonly member: string
}

const LIST_SCHEMA = '/v2/schemas/members'

function ownsOrAdmin(request: FastifyRequest, image: ImageDocument): boolean {
  const { caller } = request
  return isAdmin(caller) || (caller.project !== null && caller.project === image.owner)
}

function memberNotFound(): never {
  throw new TankError('MEMBER_NOT_FOUND', 'The image member could not be found.')
}

function newMember(body: unknown): string {
  const { member } = parseJsonObject(body)
  if (
    typeof member !== 'string' ||
    member === '' ||
    textLength(member) > LIMITS.memberLength ||
    !isStorableText(member)
  ) {
    throw new TankError(
      'INVALID_REQUEST',
      `'member' must be a project id of 1 to ${LIMITS.memberLength} characters`
    )
  }
  return member
}

function wantedStatus(body: unknown): unknown {
  const { status } = parseJsonObject(body)
  if (status === undefined) throw new TankError('INVALID_REQUEST', "'status' is missing")
  return status
}

function memberStatus(status: unknown): MemberStatus {
  const known = MEMBER_STATUSES.find((word) => word === status)
  if (known === undefined) {
    throw new TankError('INVALID_REQUEST', `'status' must be one of ${MEMBER_STATUSES.join(', ')}`)
  }
  return known
}

/** Share an image with projects (R13, R14, M1–M11). */
export function memberRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, config } = context
  const image = async (
    request: FastifyRequest<{ Params: ImageParams }>
  ): Promise<ImageDocument> => {
    demand(request.caller, 'get_image')
    return parseDocument(await registry.getImage(registryCaller(request), request.params.id))
  }

  app.get<{ Params: ImageParams }>(
    '/images/:id/members',
    { onRequest: refuseBody },
    async (request) => {
      const shared = await image(request)
      if (shared.visibility !== 'shared')
        throw new TankError('FORBIDDEN', 'Only shared images have members.')
      const all = await registry.listMembers(registryCaller(request), request.params.id)
      const own = all.filter((member) => member.member_id === request.caller.project)
      if (!ownsOrAdmin(request, shared) && own.length === 0)
        throw new TankError('IMAGE_NOT_FOUND', 'The image could not be found.')
      return { members: ownsOrAdmin(request, shared) ? all : own, schema: LIST_SCHEMA }
    }
  )

  app.post<{ Params: ImageParams }>('/images/:id/members', async (request) => {
    const member = newMember(request.body)
    const target = await image(request)
    demand(request.caller, 'add_member', target)
    if (target.visibility !== 'shared')
      throw new TankError('FORBIDDEN', 'Only shared images have members.')
    const { members: limit } = config.limits
    return registry.addMember(
      registryCaller(request),
      request.params.id,
      member,
      limit < 0 ? null : limit
    )
  })

  app.get<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody },
    async (request) => {
      const { id, member } = request.params
      const target = await image(request)
      if (!ownsOrAdmin(request, target) && member !== request.caller.project) memberNotFound()
      return registry.getMember(registryCaller(request), id, member)
    }
  )

  app.put<{ Params: MemberParams }>('/images/:id/members/:member', async (request) => {
    const status = wantedStatus(request.body)
    const { id, member } = request.params
    const target = await image(request)
    if (!isAdmin(request.caller)) {
      if (ownsOrAdmin(request, target))
        throw new TankError('FORBIDDEN', 'The owner of an image cannot answer for its members.')
      if (member !== request.caller.project) memberNotFound()
      if (request.caller.readOnly) demand(request.caller, 'modify_member', target)
    }
    return registry.setMember(registryCaller(request), id, member, memberStatus(status))
  })

  app.delete<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody },
    async (request, reply) => {
      const { id, member } = request.params
      const target = await image(request)
      if (!ownsOrAdmin(request, target) && member !== request.caller.project) memberNotFound()
      demand(request.caller, 'delete_member', target)
      await registry.removeMember(registryCaller(request), id, member)
      return reply.code(204).send()
    }
  )
}
