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
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import type { ImageParams } from './images.ts'

interface MemberParams extends ImageParams {
  readonly member: string
}

const LIST_SCHEMA = '/v2/schemas/members'

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
  const { registry, config, policy } = context
  const image = async (
    request: FastifyRequest<{ Params: ImageParams }>
  ): Promise<ImageDocument> => {
    const raw = await registry.getImage(registryCaller(request), request.params.id)
    policy.demand(request.caller, 'get_image')
    return parseDocument(raw)
  }
  /** Members that the caller may not know of answer like those that are not there (M8–M10). */
  const demandKnown = (request: FastifyRequest, target: ImageDocument, member: string): void => {
    if (policy.may(request.caller, 'get_member', target, member)) return
    throw new TankError('MEMBER_NOT_FOUND', 'The image has no such member.')
  }

  app.get<{ Params: ImageParams }>(
    '/images/:id/members',
    { onRequest: refuseBody },
    async (request) => {
      const shared = await image(request)
      if (shared.visibility !== 'shared')
        throw new TankError('FORBIDDEN', 'Only shared images have members.')
      const all = await registry.listMembers(registryCaller(request), request.params.id)
      const { caller } = request
      const members = all.filter((member) =>
        policy.may(caller, 'get_members', shared, member.member_id)
      )
      if (members.length === 0 && !policy.may(caller, 'get_members', shared))
        throw new TankError('IMAGE_NOT_FOUND', 'The image could not be found.')
      return { members, schema: LIST_SCHEMA }
    }
  )

  app.post<{ Params: ImageParams }>('/images/:id/members', async (request) => {
    const member = newMember(request.body)
    const target = await image(request)
    policy.demand(request.caller, 'add_member', target, member)
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
      demandKnown(request, target, member)
      return registry.getMember(registryCaller(request), id, member)
    }
  )

  app.put<{ Params: MemberParams }>('/images/:id/members/:member', async (request) => {
    const status = wantedStatus(request.body)
    const { id, member } = request.params
    const target = await image(request)
    demandKnown(request, target, member)
    policy.demand(request.caller, 'modify_member', target, member)
    return registry.setMember(registryCaller(request), id, member, memberStatus(status))
  })

  app.delete<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody },
    async (request, reply) => {
      const { id, member } = request.params
      const target = await image(request)
      demandKnown(request, target, member)
      policy.demand(request.caller, 'delete_member', target, member)
      await registry.removeMember(registryCaller(request), id, member)
      return reply.code(204).send()
    }
  )
}
