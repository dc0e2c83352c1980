import { access } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'

export interface HealthOptions {
  /** Rejects while the server cannot do its work. */
  readonly ready: () => Promise<void>
  /** While this file exists, `/healthcheck` answers 503, so that balancers take the server out. */
  readonly disabledByFile?: string | undefined
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

const describe = (operationId: string, summary: string, type: string, body: object) => {
  const content = { [type]: { schema: body } }
  return {
    operationId,
    summary,
    tags: ['service'],
    security: [],
    response: { 200: { description: 'Yes', content }, 503: { description: 'No', content } }
  }
}

const HEALTHCHECK = describe(
  'checkHealth',
  'Whether this process answers, and is to get requests',
  'text/plain',
  { type: 'string', enum: ['OK', 'DISABLED BY FILE'] }
)

const READYZ = describe(
  'checkReadiness',
  'Whether the service can do its work',
  'application/json',
  {
    type: 'object',
    required: ['status'],
    properties: { status: { type: 'string', enum: ['ready', 'not ready'] } }
  }
)

/** `/healthcheck` (the process answers) and `/readyz` (it can do its work), both without a token. */
export const health: FastifyPluginAsync<HealthOptions> = async (app, options) => {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/healthcheck',
    schema: HEALTHCHECK,
    handler: async (_request, reply) => {
      const disabled =
        options.disabledByFile !== undefined && (await exists(options.disabledByFile))
      reply.header('cache-control', 'no-store').type('text/plain; charset=utf-8')
      return disabled ? reply.code(503).send('DISABLED BY FILE') : reply.send('OK')
    }
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: '/readyz',
    schema: READYZ,
    handler: async (request, reply) => {
      reply.header('cache-control', 'no-store').type('application/json')
      try {
        await options.ready()
        return reply.send('{"status":"ready"}')
      } catch (err) {
        request.log.warn({ err }, 'not ready')
        return reply.code(503).send('{"status":"not ready"}')
      }
    }
  })
}
