import { type ImageRecord, type Membership, type MembershipWish, TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { type Caller, registryCaller } from '../../identity/caller.ts'
import { readMembership, readMemberships } from './memberships.ts'
import type { ImageParams } from './show.ts'

interface MemberParams extends ImageParams {
  readonly member: string
}

type ImageRequest = FastifyRequest<{ Params: ImageParams }>

interface SharedWith {
  readonly image: ImageRecord
  readonly members: readonly Membership[]
}

/** What is done with one member; null: with none. */
type Change = readonly [action: 'add_member' | 'delete_member', member: string | null]

function replacing(members: readonly Membership[], wishes: readonly MembershipWish[]): Change[] {
  const wanted = new Set(wishes.map(({ member_id }) => member_id))
  const dropped = members.filter(({ member_id }) => !wanted.has(member_id))
  return [
    ...(wanted.size === 0 ? [null] : [...wanted]).map((member): Change => ['add_member', member]),
    ...dropped.map(({ member_id }): Change => ['delete_member', member_id])
  ]
}

function notFound(): TankError {
  return new TankError('IMAGE_NOT_FOUND', 'No image with this id was found.')
}

/** Who only got an image may share it on when the membership says so; then it counts as an owner. */
function sharer(caller: Caller, { image, members }: SharedWith): string | null {
  if (caller.roles.has('admin') || image.owner === caller.project) return image.owner
  const own = members.find(({ member_id }) => member_id === caller.project)
  if (own?.can_share !== true) throw notFound()
  return caller.project
}

/** Members of an image (v1 1.15). */
export function memberRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, policy } = context
  const limit = config.limits.members < 0 ? null : config.limits.members

  const shared = async (request: ImageRequest): Promise<SharedWith> => {
    const caller = registryCaller(request)
    const { id } = request.params
    const [image, members] = await Promise.all([
      registry.getRecord(caller, id),
      registry.listMemberships(caller, id)
    ])
    policy.demand(request.caller, 'get_image')
    return { image, members }
  }

  /** Lets pass who may make these changes, and only where an image can have members. */
  const demandShare = async (
    request: ImageRequest,
    changes: (members: readonly Membership[]) => readonly Change[]
  ): Promise<void> => {
    const { caller } = request
    if (caller.project === null && !caller.roles.has('admin')) {
      throw new TankError('UNAUTHENTICATED', 'Members are changed by a project')
    }
    const target = await shared(request)
    const { visibility } = target.image
    const facts = { visibility, owner: sharer(caller, target) }
    for (const [action, member] of changes(target.members)) {
      policy.demand(caller, action, facts, member)
    }
    if (visibility === 'private') {
      const wish = 'Set its visibility to shared first, with version 2 of the API.'
      throw new TankError('FORBIDDEN', `The image is private to its project. ${wish}`)
    }
  }

  app.get<{ Params: ImageParams }>(
    '/images/:id/members',
    { onRequest: refuseBody },
    async (request) => {
      const { image, members } = await shared(request)
      const mine = ({ member_id }: Membership) =>
        policy.may(request.caller, 'get_members', image, member_id)
      return { members: members.filter(mine) }
    }
  )

  app.put<{ Params: ImageParams }>('/images/:id/members', async (request, reply) => {
    const wishes = readMemberships(request.body)
    const { id } = request.params
    await demandShare(request, (members) => replacing(members, wishes))
    await registry.replaceMemberships(registryCaller(request), id, wishes, limit)
    return reply.code(204).send()
  })

  app.put<{ Params: MemberParams }>('/images/:id/members/:member', async (request, reply) => {
    const { id, member } = request.params
    const wish = readMembership(member, request.body)
    await demandShare(request, () => [['add_member', member]])
    await registry.putMembership(registryCaller(request), id, wish, limit)
    return reply.code(204).send()
  })

  app.delete<{ Params: MemberParams }>(
    '/images/:id/members/:member',
    { onRequest: refuseBody },
    async (request, reply) => {
      const { id, member } = request.params
      await demandShare(request, () => [['delete_member', member]])
      await registry.removeMember(registryCaller(request), id, member)
      return reply.code(204).send()
    }
  )

  app.get<{ Params: Pick<MemberParams, 'member'> }>(
    '/shared-images/:member',
    { onRequest: refuseBody },
    async (request) => {
      policy.demand(request.caller, 'get_images')
      const { member } = request.params
      const images = await registry.listSharedImages(registryCaller(request), member)
      return { shared_images: images }
    }
  )
}
