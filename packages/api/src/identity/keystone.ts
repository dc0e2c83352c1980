import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type Caller, readsOnly, roleSet } from './caller.ts'
import { keystoneChallenge, refused } from './credentials.ts'
import { openIdentityHttp } from './identity-http.ts'
import { KeystoneClient, type KeystoneToken } from './keystone-client.ts'
import type { KeystoneSection } from './keystone-section.ts'
import { TokenCache } from './token-cache.ts'
import { identifyByToken } from './token-identity.ts'

export interface KeystoneIdentityOptions extends KeystoneSection {
  /** Where clients get tokens; empty: at `url`. */
  readonly authenticateUri: string
  readonly anonymous: boolean
  /** Milliseconds since 1970; the clock of the machine when absent. */
  readonly now?: () => number
}

const KEEP_REFUSED_MS = 3_000
/** Keystone's own servers take no longer header lines, and none of its tokens needs so much. */
const LONGEST_TOKEN = 2_048

function callerOf(token: KeystoneToken): Caller {
  const { user, project, domain, system, roles = [] } = token
  // a role on a domain says nothing about the images of any project, nor about all of them
  const counts = project !== undefined || system?.all === true
  const names = roleSet(counts ? roles.map(({ name }) => name) : [])
  return Object.freeze({
    user: user.id,
    project: project?.id ?? null,
    domain: project?.domain.id ?? domain?.id ?? null,
    roles: names,
    serviceRoles: roleSet([]),
    readOnly: readsOnly(names)
  })
}

const plugin: FastifyPluginAsync<KeystoneIdentityOptions> = async (app, options) => {
  const { anonymous, url, caFile, timeoutSeconds } = options
  const authenticateUri = options.authenticateUri === '' ? url : options.authenticateUri
  const now = options.now ?? Date.now
  const http = await openIdentityHttp({
    caFile,
    caFileKey: 'identity.keystone.caFile',
    timeoutMs: timeoutSeconds * 1000
  })
  app.addHook('onClose', () => http.close())
  const keystone = new KeystoneClient(http, options, now)
  const cache = new TokenCache<Caller>({
    maxEntries: options.cacheEntries,
    keepMs: options.cacheSeconds * 1000,
    keepRefusedMs: Math.min(KEEP_REFUSED_MS, options.cacheSeconds * 1000),
    now
  })

  async function ask(token: string, allowExpired: boolean) {
    const found = await keystone.validate(token, allowExpired)
    if (found === undefined) return { value: undefined, expiresAt: Number.POSITIVE_INFINITY }
    const expiresAt = Date.parse(found.expires_at)
    const isOver = allowExpired && expiresAt <= now()
    return { value: callerOf(found), expiresAt: isOver ? Number.POSITIVE_INFINITY : expiresAt }
  }

  identifyByToken(app, {
    anonymous,
    async identify(token, { allowExpired }) {
      if (token.length > LONGEST_TOKEN) {
        throw refused(`The token is longer than ${LONGEST_TOKEN} bytes.`)
      }
      const variant = allowExpired ? '+expired' : ''
      const caller = await cache.find(token, variant, () => ask(token, allowExpired))
      if (caller === undefined) {
        throw refused('The token is unknown, has expired or was revoked. Get a new one.')
      }
      return caller
    },
    challenge: () => keystoneChallenge(authenticateUri)
  })
  // the first callers need not wait, and who runs this reads early that something is wrong
  app.addHook('onReady', async () => {
    keystone
      .login()
      .catch((err: unknown) => app.log.warn({ err }, 'no token of our own at Keystone'))
  })
}

/** Identity mode `keystone`: tokens that Keystone validates (Identity API v3; A1, A2). */
export const keystoneIdentity: FastifyPluginAsync<KeystoneIdentityOptions> = fp(plugin, {
  name: 'tank-identity',
  fastify: '5.x'
})
