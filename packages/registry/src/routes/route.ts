import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Settings } from '../config.ts'
import type { Database } from '../db/database.ts'
import type { RenderedImage } from '../images/show.ts'
import type { Page } from '../list/page.ts'

/** What every route works with. */
export interface RouteOptions {
  readonly database: Database
  readonly settings: Settings
  readonly log: FastifyBaseLogger
}

export type RoutePlugin = FastifyPluginAsyncTypebox<RouteOptions>

export const ImageParams = Type.Object({ id: Type.String() })
export const OperationParams = Type.Object({ id: Type.String() })
export const MemberParams = Type.Object({ id: Type.String(), member: Type.String() })

/** Of a query that its handler reads itself, as it was sent. */
export const parameter = (description: string) => Type.Optional(Type.Unknown({ description }))

export const NoContent = Type.Null({ description: 'Done; no body' })

/** `"7"` of `If-Match` and `ETag`. */
const VERSION_TAG = /^"(\d{1,15})"$/

/** The version in an `If-Match` header; undefined when the header is no version. */
export function parseVersion(ifMatch: string | undefined): number | undefined {
  const [, digits] = VERSION_TAG.exec(ifMatch ?? '') ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** Sends JSON text as it came from the database. */
export function sendJson(reply: FastifyReply, body: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(body)
}

export function sendImage(reply: FastifyReply, image: RenderedImage): FastifyReply {
  reply.header('etag', `"${image.version}"`)
  return sendJson(reply, image.body)
}

export function sendPage(reply: FastifyReply, { body, nextMarker }: Page): FastifyReply {
  if (nextMarker !== undefined) reply.header('tank-next-marker', nextMarker)
  return sendJson(reply, body)
}
