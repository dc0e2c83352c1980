import { TankError } from '@tank/model'
import { secretsEqual } from '@tank/service'
import type { FastifyInstance } from 'fastify'

const BEARER = /^Bearer +(.+)$/i

/** Every request of this scope has to carry the secret that callers and registry share. */
export function installAuth(app: FastifyInstance, secret: string): void {
  app.addHook('onRequest', async (request) => {
    const given = BEARER.exec(request.headers.authorization ?? '')?.[1]
    if (given === undefined || !secretsEqual(given, secret)) {
      throw new TankError('UNAUTHENTICATED', 'The registry needs its bearer secret.', {
        headers: { 'www-authenticate': 'Bearer' }
      })
    }
  })
}
