import { TankError } from '@tank/model'
import { secretsEqual } from '@tank/service'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

const BEARER = /^Bearer +(.+)$/i

export interface AuthOptions {
  readonly secret: string
}

const authPlugin: FastifyPluginAsync<AuthOptions> = async (app, { secret }) => {
  app.addHook('onRequest', async (request) => {
    const given = BEARER.exec(request.headers.authorization ?? '')?.[1]
    if (given === undefined || !secretsEqual(given, secret)) {
      throw new TankError('UNAUTHENTICATED', 'The registry needs its bearer secret.', {
        headers: { 'www-authenticate': 'Bearer' }
      })
    }
  })
}

/** Every request of this scope has to carry the secret that callers and registry share. */
export const auth: FastifyPluginAsync<AuthOptions> = fp(authPlugin, {
  name: '@tank/registry/auth',
  fastify: '5.x'
})
