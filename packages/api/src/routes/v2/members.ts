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
import { listOf } from '../../openapi/components.ts'
import { json, nothing, operation } from '../../openapi/operation.ts'
import { imageParams, memberParams } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const MEMBER_ID = { type: 'string', minLength: 1, maxLength: LIMITS.memberLength }

const listSchema = operation({
  operationId: 'listMembers',
  summary: 'List the members of an image',
  description: 'Owners see all; a member sees itself.',
  tag: 'members',
  params: imageParams,
  answers: {
    200: json(
      listOf('members', 'Member', {
        schema: { type: 'string', description: 'Path of the schema' }
      }),
      'The members'
    )
  },
  errors: [403, 404]
})

const addSchema = operation({
  operationId: 'addMember',
  summary: 'Share an image with a project',
  description: 'The image has to have visibility `shared`.',
  tag: 'members',
  params: imageParams,
  body: {
    'application/json': { type: 'object', required: ['member'], properties: { member: MEMBER_ID } }
  },
  answers: { 200: json('Member', 'The member, pending') },
  errors: [403, 404, 409, 413, 415]
})

const showSchema = operation({
  operationId: 'showMember',
  summary: 'Show a member of an image',
  tag: 'members',
  params: memberParams,
  answers: { 200: json('Member', 'The member') },
  errors: [403, 404]
})

const setSchema = operation({
  operationId: 'answerSharing',
  summary: 'Accept or reject an image that is shared with the own project',
  tag: 'members',
  params: memberParams,
  body: {
    'application/json': {
      type: 'object',
      required: ['status'],
      properties: { status: { type: 'string', enum: [...MEMBER_STATUSES] } }
    }
  },
  answers: { 200: json('Member', 'The member as it is now') },
  errors: [403, 404, 413, 415]
})

const removeSchema = operation({
  operationId: 'removeMember',
  summary: 'Share an image with a project no longer',
  tag: 'members',
  params: memberParams,
  answers: { 204: nothing('The project is no member any more') },
  errors: [403, 404, 413, 415]
})

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
    { onRequest: refuseBody, schema: listSchema },
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

  app.post<{ Params: ImageParams }>(
    '/images/:id/members',
    { schema: addSchema },
    async (request) => {
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
    }
  )

  app.get<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody, schema: showSchema },
    async (request) => {
      const { id, member } = request.params
      const target = await image(request)
      demandKnown(request, target, member)
      return registry.getMember(registryCaller(request), id, member)
    }
  )

  app.put<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { schema: setSchema },
    async (request) => {
      const status = wantedStatus(request.body)
      const { id, member } = request.params
      const target = await image(request)
      demandKnown(request, target, member)
      policy.demand(request.caller, 'modify_member', target, member)
      return registry.setMember(registryCaller(request), id, member, memberStatus(status))
    }
  )

  app.delete<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody, schema: removeSchema },
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
