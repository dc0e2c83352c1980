import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

const OPENAPI: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Tank Registry API',
      version: '1.0.0',
      description:
        'Records of images, where their bytes lie, and what is in progress. Callers send the shared secret as a bearer token and, of whom they act for, the headers `tank-project` and `tank-user` (percent-encoded) and `tank-scope` (`project`, or `all` for administrators) and `tank-sees` (`private`, `shared` or both with a comma: visibilities of which the caller sees every image). Errors are RFC 9457 problems with a `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
    },
    components: { securitySchemes: { secret: { type: 'http', scheme: 'bearer' } } },
    security: [{ secret: [] }],
    tags: [
      'images',
      'members',
      'operations',
      'garbage',
      'placements',
      'usage',
      'changes',
      'tokens',
      'metadefs'
    ].map((name) => ({ name }))
  }
}

/** Collects the schemas of the routes that are registered after it; serves `/openapi.json`. */
export async function installOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, OPENAPI)
  let text: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    text ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(text)
  })
}
