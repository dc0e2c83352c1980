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

/** `/healthcheck` (the process answers) and `/readyz` (it can do its work), both without a token. */
export const health: FastifyPluginAsync<HealthOptions> = async (app, options) => {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/healthcheck',
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
