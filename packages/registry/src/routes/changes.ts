import { Type } from 'typebox'
import { listChanges } from '../changes.ts'
import { invalidQuery } from '../list/query-string.ts'
import { ChangeSchema } from '../schemas.ts'
import type { RoutePlugin } from './route.ts'

const MOST = 1000

function parseLimit(text: string | undefined): number {
  if (text === undefined) return 100
  if (!/^[1-9]\d{0,5}$/.test(text)) throw invalidQuery('limit has to be an integer of at least 1.')
  return Math.min(Number(text), MOST)
}

export const changesRoute: RoutePlugin = async (app, { database }) => {
  app.get(
    '/changes',
    {
      schema: {
        summary: 'State changes, in the order in which they became visible',
        description:
          '`after` is the `next` of the page before; no late commit is skipped. Pages have at most 1000 changes.',
        tags: ['changes'],
        querystring: Type.Object({
          after: Type.Optional(Type.String()),
          limit: Type.Optional(Type.String({ pattern: '^[0-9]+$' }))
        }),
        response: {
          200: Type.Object({ changes: Type.Array(ChangeSchema), next: Type.String() })
        }
      }
    },
    (request) => listChanges(database, request.query.after, parseLimit(request.query.limit))
  )
}
