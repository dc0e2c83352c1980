import { Type } from 'typebox'
import { addMember, getMember, listMembers, removeMember, setMember } from '../members.ts'
import { AddMemberSchema, MemberDocumentSchema, SetMemberSchema } from '../schemas.ts'
import { ImageParams, MemberParams, NoContent, type RoutePlugin } from './route.ts'

const tags = ['members']

const collection: RoutePlugin = async (app, { database }) => {
  app.get(
    '/images/:id/members',
    {
      schema: {
        summary: 'All members of an image, the oldest first',
        tags,
        params: ImageParams,
        response: { 200: Type.Object({ members: Type.Array(MemberDocumentSchema) }) }
      }
    },
    async (request) => ({
      members: await listMembers(database, request.registryCaller, request.params.id)
    })
  )
  app.post(
    '/images/:id/members',
    {
      schema: {
        summary: 'Add a member, pending',
        description: '`limit` is the most members that the image may have.',
        tags,
        params: ImageParams,
        body: AddMemberSchema,
        response: { 200: MemberDocumentSchema }
      }
    },
    (request) => addMember(database, request.registryCaller, request.params.id, request.body)
  )
}

const one: RoutePlugin = async (app, { database }) => {
  app.get(
    '/images/:id/members/:member',
    {
      schema: {
        summary: 'Show a member',
        tags,
        params: MemberParams,
        response: { 200: MemberDocumentSchema }
      }
    },
    ({ params, registryCaller }) => getMember(database, registryCaller, params.id, params.member)
  )
  app.put(
    '/images/:id/members/:member',
    {
      schema: {
        summary: 'Set the status of a member',
        tags,
        params: MemberParams,
        body: SetMemberSchema,
        response: { 200: MemberDocumentSchema }
      }
    },
    ({ params, body, registryCaller }) =>
      setMember(database, registryCaller, params.id, params.member, body.status)
  )
  app.delete(
    '/images/:id/members/:member',
    {
      schema: {
        summary: 'Remove a member',
        tags,
        params: MemberParams,
        response: { 204: NoContent }
      }
    },
    async ({ params, registryCaller }, reply) => {
      await removeMember(database, registryCaller, params.id, params.member)
      return reply.code(204).send(null)
    }
  )
}

export const memberRoutes: RoutePlugin = async (app, options) => {
  await app.register(collection, options)
  await app.register(one, options)
}
