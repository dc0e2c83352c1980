import { Type } from 'typebox'
import { requireAdmin } from '../http/caller.ts'
import { invalidQuery } from '../list/query-string.ts'
import { oneOf, Uuid } from '../schemas.ts'
import {
  CreateTokenSchema,
  FindTokenSchema,
  FoundTokenSchema,
  TokenDocumentSchema
} from '../token-schemas.ts'
import { createToken, findToken, listTokens, revokeToken } from '../tokens.ts'
import { NoContent, type RoutePlugin } from './route.ts'

const tags = ['tokens']
const MOST = 1000

function parseLimit(text = '100'): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw invalidQuery('limit has to be an integer of at least 1.')
  return Math.min(Number(text), MOST)
}

const collection: RoutePlugin = async (app, { database }) => {
  app.post(
    '/tokens',
    {
      schema: {
        summary: 'Make a token',
        description:
          'Idempotent by `id` and `digest`. A name that is taken by a token which is not revoked is 409 TOKEN_EXISTS.',
        tags,
        body: CreateTokenSchema,
        response: { 201: TokenDocumentSchema }
      }
    },
    async (request, reply) => {
      const token = await createToken(database, request.body)
      request.log.info({ tokenId: token.id, name: token.name }, 'token created')
      return reply.code(201).send(token)
    }
  )
  app.get(
    '/tokens',
    {
      schema: {
        summary: 'Tokens, the oldest first',
        description: '`marker` is the `next` of the page before; null: there is no other page.',
        tags,
        querystring: Type.Object({
          limit: Type.Optional(Type.String({ pattern: '^[0-9]+$' })),
          marker: Type.Optional(Uuid),
          revoked: Type.Optional(oneOf(['true', 'false']))
        }),
        response: {
          200: Type.Object({
            tokens: Type.Array(TokenDocumentSchema),
            next: Type.Union([Uuid, Type.Null()])
          })
        }
      }
    },
    ({ query: { limit, marker, revoked } }) =>
      listTokens(database, { limit: parseLimit(limit), marker, revoked: revoked === 'true' })
  )
}

const one: RoutePlugin = async (app, { database }) => {
  app.post(
    '/tokens/find',
    {
      schema: {
        summary: 'The token of a secret, by the digest of the secret',
        description: 'null when there is none, or it is revoked or expired.',
        tags,
        body: FindTokenSchema,
        response: { 200: Type.Object({ token: Type.Union([FoundTokenSchema, Type.Null()]) }) }
      }
    },
    async ({ body }) => ({ token: await findToken(database, body.digest) })
  )
  app.delete(
    '/tokens/:token',
    {
      schema: {
        summary: 'Revoke a token, by its id or name',
        description: 'By the id also again.',
        tags,
        params: Type.Object({ token: Type.String() }),
        response: { 204: NoContent }
      }
    },
    async (request, reply) => {
      const id = await revokeToken(database, request.params.token)
      request.log.info({ tokenId: id }, 'token revoked')
      return reply.code(204).send(null)
    }
  )
}

/** Static tokens: for administrators, and for the API, which finds out whose a secret is. */
export const tokenRoutes: RoutePlugin = async (app, options) => {
  app.addHook('onRequest', async (request) => requireAdmin(request))
  await app.register(collection, options)
  await app.register(one, options)
}
