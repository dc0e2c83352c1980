import type { RegistryClient } from '@tank/client'
import { ConfigError } from '@tank/service'
import type { FastifyInstance } from 'fastify'
import type { ApiConfig } from '../config.ts'
import { checkIdentity } from './check-identity.ts'
import { headerIdentity } from './headers.ts'
import { jwtIdentity } from './jwt.ts'
import { keystoneIdentity } from './keystone.ts'
import { noIdentity } from './none.ts'
import { staticTokenIdentity } from './static-tokens.ts'

function needed<T>(section: T | undefined, name: string): T {
  if (section === undefined) throw new ConfigError([`identity.${name}: missing`])
  return section
}

/** Registers the plugin of the configured mode, which finds out `request.caller`. */
export async function registerIdentity(
  app: FastifyInstance,
  identity: ApiConfig['identity'],
  registry: RegistryClient
): Promise<void> {
  checkIdentity(identity)
  const { mode, trustedFronts, authenticateUri, anonymous } = identity
  const shared = { authenticateUri, anonymous }
  switch (mode) {
    case 'none':
      await app.register(noIdentity)
      return
    case 'headers':
      await app.register(headerIdentity, { trustedFronts, authenticateUri })
      return
    case 'tokens':
      await app.register(staticTokenIdentity, { registry, ...identity.tokens, ...shared })
      return
    case 'jwt':
      await app.register(jwtIdentity, { ...needed(identity.jwt, mode), ...shared })
      return
    case 'keystone':
      await app.register(keystoneIdentity, { ...needed(identity.keystone, mode), ...shared })
      return
    default:
      // nobody may become an administrator because of a word that is not known here
      throw new ConfigError([`identity.mode: '${String(mode)}' is not known`])
  }
}
