import { Type } from 'typebox'
import {
  listMemberships,
  listSharedImages,
  putMembership,
  replaceMemberships
} from '../memberships.ts'
import {
  MembershipSchema,
  PutMembershipSchema,
  ReplaceMembershipsSchema,
  SharedImageSchema
} from '../record-schemas.ts'
import { MemberId } from '../schemas.ts'
import { ImageParams, NoContent, type RoutePlugin } from './route.ts'

const tags = ['members']
const limited = '`limit` is the most members that the image may have; null: any number.'

const ofImage: RoutePlugin = async (app, { database }) => {
  app.get(
    '/records/:id/members',
    {
      schema: {
        summary: 'All members of an image and whether they may share it, the oldest first',
        tags,
        params: ImageParams,
        response: { 200: Type.Object({ members: Type.Array(MembershipSchema) }) }
      }
    },
    async ({ params, registryCaller }) => ({
      members: await listMemberships(database, registryCaller, params.id)
    })
  )
  app.put(
    '/records/:id/members',
    {
      schema: {
        summary: 'Replace all members of an image at once',
        description: `Members that stay keep what is not said anew. ${limited}`,
        tags,
        params: ImageParams,
        body: ReplaceMembershipsSchema,
        response: { 204: NoContent }
      }
    },
    async ({ params, body, registryCaller }, reply) => {
      const { members, limit = null } = body
      await replaceMemberships(database, registryCaller, params.id, members, limit)
      return reply.code(204).send(null)
    }
  )
  app.put(
    '/records/:id/members/:member',
    {
      schema: {
        summary: 'Add a member, or say anew whether it may share',
        description: `There has to be room for one more member, also for one that is there. ${limited}`,
        tags,
        params: Type.Object({ id: Type.String(), member: MemberId }),
        body: PutMembershipSchema,
        response: { 204: NoContent }
      }
    },
    async ({ params, body, registryCaller }, reply) => {
      const { limit = null, ...rest } = body
      const wish = { member_id: params.member, ...rest }
      await putMembership(database, registryCaller, params.id, wish, limit)
      return reply.code(204).send(null)
    }
  )
}

/** Members as the Image API v1 knows them. */
export const membershipRoutes: RoutePlugin = async (app, options) => {
  const { database } = options
  await app.register(ofImage, options)
  app.get(
    '/shared/:member',
    {
      schema: {
        summary: 'The images that a member has got',
        description:
          'Administrators see all of them, others those of their own project, or all when they are the member.',
        tags,
        params: Type.Object({ member: Type.String() }),
        response: { 200: Type.Object({ images: Type.Array(SharedImageSchema) }) }
      }
    },
    async ({ params, registryCaller }) => ({
      images: await listSharedImages(database, registryCaller, params.member)
    })
  )
}
