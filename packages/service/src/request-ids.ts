import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

export const REQUEST_ID_HEADER = 'x-openstack-request-id'
const MAX_LENGTH = 64
const LEGAL = /^[A-Za-z0-9._-]{1,64}$/

export function newRequestId(): string {
  return `req-${randomUUID()}`
}

function requestId(raw: Pick<IncomingMessage, 'headers'>): string {
  const given = raw.headers[REQUEST_ID_HEADER]
  if (typeof given !== 'string' || !LEGAL.test(given)) return newRequestId()
  return given.startsWith('req-') ? given : `req-${given}`
}

const installed = new WeakSet<object>()

/** Gives every request an id that is safe to log, and shows it on every answer. */
export function installRequestIds(app: FastifyInstance): void {
  if (installed.has(app.server)) return
  installed.add(app.server)
  app.setGenReqId(requestId)
  app.addHook('onRequest', async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id)
    const given = request.headers[REQUEST_ID_HEADER]
    if (given !== undefined && given.length > MAX_LENGTH) {
      throw new TankError('HEADER_TOO_LARGE', 'The request id is longer than 64 characters.')
    }
  })
}

const requestIdsPlugin: FastifyPluginAsync = async (app) => installRequestIds(app)

/** The request ids of `createServer` for an app that was made in another way. */
export const requestIds: FastifyPluginAsync = fp(requestIdsPlugin, {
  name: '@tank/service/request-ids',
  fastify: '5.x'
})
