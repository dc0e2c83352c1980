import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller } from './caller.ts'

/**
 * Says who sends a request, by its headers.
 *
 * @throws {TankError} UNAUTHENTICATED, INVALID_REQUEST, or IDENTITY_UNAVAILABLE when nobody can say
 */
export type Identify = (request: FastifyRequest) => Caller | Promise<Caller>

declare module 'fastify' {
  interface FastifyInstance {
    /** How the configured mode finds out who sends a request of this scope. */
    readonly identify: Identify
  }
  interface FastifyContextConfig {
    /** The route finds out by itself who calls: its token comes with the body. */
    readonly lateIdentity?: boolean
  }
}

/** Finds out `request.caller` of each request of this scope before anything else happens. */
export function findCallers(app: FastifyInstance, identify: Identify): void {
  app.decorateRequest('caller')
  app.decorate('identify', identify)
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.lateIdentity === true) return
    request.caller = await identify(request)
  })
}
