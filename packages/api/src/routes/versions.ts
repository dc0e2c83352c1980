import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiConfig } from '../config.ts'
import { type ApiVersions, linkBase, versionDocument } from '../http/version-document.ts'
import { refTo } from '../openapi/components.ts'

const describe = (operationId: string, summary: string, status: number) => ({
  operationId,
  summary,
  tags: ['service'],
  security: [],
  response: {
    [status]: {
      description: 'The versions, the newest first',
      content: { 'application/json': { schema: refTo('Versions') } }
    }
  }
})

const FURTHER = ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']

/** The version document (V1, V2): 200 at its own address, 300 everywhere else. */
export function versionRoutes(
  app: FastifyInstance,
  config: ApiConfig,
  versions: ApiVersions
): void {
  const document = (request: FastifyRequest) =>
    versionDocument(linkBase(request, config.publicEndpoint), versions)
  app.get(
    '/versions',
    { schema: describe('listVersions', 'List the versions of the Image API', 200) },
    async (request) => document(request)
  )
  const choices = {
    url: '/',
    config: { catchAll: true },
    handler: async (request: FastifyRequest, reply: FastifyReply) =>
      reply.code(300).send(document(request))
  }
  const summary = 'List the versions, to a client that named none'
  app.route({ ...choices, method: 'GET', schema: describe('discoverVersions', summary, 300) })
  app.route({ ...choices, method: FURTHER, schema: { hide: true } })
}
