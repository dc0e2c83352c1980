import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Most bytes of a JSON body. */
const JSON_BODY_LIMIT = 1 << 20

/** Whether a request brings a body, whatever its method (G2, N3). */
function hasBody(request: FastifyRequest): boolean {
  const { headers, method } = request
  if (headers['transfer-encoding'] !== undefined && ['POST', 'PUT', 'PATCH'].includes(method))
    return true
  return Number(headers['content-length'] ?? 0) > 0
}

/** For routes that take no body: a body is an error 400; a lone Content-Type is not (G2, N2). */
export async function refuseBody(request: FastifyRequest): Promise<void> {
  if (hasBody(request)) {
    throw new TankError('INVALID_REQUEST', 'This request takes no body')
  }
}

/** Bodies arrive as bytes and are parsed by hand: the media type does not matter (G3, N1, N2). */
export function readBodiesWhole(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: JSON_BODY_LIMIT },
    (_request, body, done) => done(null, body)
  )
}

/** Bodies stay streams: nothing is read before the route wants it (N4). */
export function leaveBodiesAlone(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}
