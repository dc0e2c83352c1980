import type { RegistryClient } from '@tank/client'
import type { FoundToken } from '@tank/model'
import { tokenDigest } from '@tank/service'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type Caller, readsOnly, roleSet } from './caller.ts'
import { bearerChallenge, identityUnavailable, refused } from './credentials.ts'
import { TokenCache } from './token-cache.ts'
import { identifyByToken } from './token-identity.ts'

export interface StaticTokenOptions {
  readonly registry: Pick<RegistryClient, 'findToken'>
  /** Shown to clients that speak of Keystone; empty: not at all. */
  readonly authenticateUri: string
  readonly anonymous: boolean
  /** How long a token is believed without asking the registry again. */
  readonly cacheSeconds: number
  /** Milliseconds since 1970; the clock of the machine when absent. */
  readonly now?: () => number
}

const KEEP_REFUSED_MS = 1000
const MAX_ENTRIES = 10_000

function callerOf({ user, project, domain, roles }: FoundToken): Caller {
  const names = roleSet(roles)
  return Object.freeze({
    user,
    project,
    domain,
    roles: names,
    serviceRoles: roleSet([]),
    readOnly: readsOnly(names)
  })
}

const plugin: FastifyPluginAsync<StaticTokenOptions> = async (app, options) => {
  const { registry, authenticateUri, anonymous, cacheSeconds, now = Date.now } = options
  const cache = new TokenCache<Caller>({
    maxEntries: MAX_ENTRIES,
    keepMs: cacheSeconds * 1000,
    keepRefusedMs: KEEP_REFUSED_MS,
    now
  })

  async function ask(digest: string) {
    const asked = now()
    const found = await registry.findToken(digest).catch((cause: unknown) => {
      throw identityUnavailable('the registry cannot be asked for a token', cause)
    })
    const left = found?.expires_in_ms ?? Number.POSITIVE_INFINITY
    return { value: found === null ? undefined : callerOf(found), expiresAt: asked + left }
  }

  identifyByToken(app, {
    anonymous,
    async identify(token) {
      const digest = tokenDigest(token)
      const caller = digest && (await cache.find(token, '', () => ask(digest)))
      if (!caller) throw refused('The token is unknown, expired or revoked.')
      return caller
    },
    challenge: (isGiven) => bearerChallenge(isGiven, authenticateUri)
  })
}

/** Identity mode `tokens`: static tokens that the registry knows by a digest of their secret. */
export const staticTokenIdentity: FastifyPluginAsync<StaticTokenOptions> = fp(plugin, {
  name: 'tank-identity',
  fastify: '5.x'
})
