import type { FastifyInstance } from 'fastify'

const METHODS = 'GET, PUT, POST, DELETE, PATCH'
const REQUEST_HEADERS = [
  'Content-MD5',
  'Content-Type',
  'X-Image-Meta-Checksum',
  'X-Storage-Token',
  'Accept-Encoding',
  'X-Auth-Token',
  'Authorization',
  'X-Identity-Status',
  'X-Roles',
  'X-Service-Catalog',
  'X-User-Id',
  'X-Tenant-Id',
  'X-OpenStack-Request-ID',
  'X-Image-Meta-Store',
  'X-OpenStack-Image-Size',
  'Range'
].join(', ')
const EXPOSED = [
  'X-Image-Meta-Checksum',
  'X-Auth-Token',
  'X-Subject-Token',
  'X-Service-Token',
  'X-OpenStack-Request-ID',
  'Content-Range',
  'Content-MD5',
  'ETag'
].join(', ')

/** Lets pages of the listed origins call the API (§7.5); nobody else gets a CORS header. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  const allowed = new Set(origins)
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined || !allowed.has(origin)) return
    reply.headers({
      'access-control-allow-origin': origin,
      vary: 'Origin',
      'access-control-expose-headers': EXPOSED
    })
    if (request.method !== 'OPTIONS') return
    if (request.headers['access-control-request-method'] === undefined) return
    reply.headers({
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': '3600'
    })
    return reply.code(200).send()
  })
}
