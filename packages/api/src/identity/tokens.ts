import type { RegistryClient } from '@tank/client'
import { type FoundToken, TankError } from '@tank/model'
import { tokenDigest } from '@tank/service'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type Caller, roleSet } from './caller.ts'
import { createLookupCache } from './lookup-cache.ts'

export interface TokenIdentityOptions {
  readonly registry: Pick<RegistryClient, 'findToken'>
  /** Shown to clients that speak of Keystone; empty: not at all. */
  readonly authenticateUri: string
  /** How long a token is believed without asking the registry again. */
  readonly cacheSeconds: number
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

interface Granted {
  readonly caller: Caller
  readonly expiresInMs: number
}

const MISS_MS = 1000
const ENTRIES = 10_000
const BEARER = /^Bearer +([^ ]+) *$/i

type Refuse = (message: string, error?: 'invalid_token') => TankError

/** Makes errors 401 with the challenges of RFC 6750 and, when it is known where, of Keystone (A2). */
function refusals(authenticateUri: string): Refuse {
  const keystone = authenticateUri === '' ? '' : `Keystone uri="${authenticateUri}", `
  return (message, error) => {
    const why = error === undefined ? '' : `, error="${error}"`
    const headers = { 'www-authenticate': `${keystone}Bearer realm="tank"${why}` }
    return new TankError('UNAUTHENTICATED', message, { headers })
  }
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The token that a request brings: in `X-Auth-Token` (A1) or as `Authorization: Bearer` (RFC 6750). */
function tokenOf(request: FastifyRequest): string | undefined {
  const bearer = BEARER.exec(request.headers.authorization ?? '')?.[1]
  const plain = header(request, 'x-auth-token')
  if (bearer !== undefined && plain !== undefined && bearer !== plain) {
    throw new TankError(
      'INVALID_REQUEST',
      'Send one token: those of X-Auth-Token and Authorization differ.'
    )
  }
  return plain ?? bearer
}

function grant({ user, project, domain, roles, expires_in_ms }: FoundToken): Granted {
  const all = roleSet(roles)
  return {
    caller: {
      user,
      project,
      domain,
      roles: all,
      serviceRoles: roleSet([]),
      readOnly: !all.has('member')
    },
    expiresInMs: expires_in_ms ?? Number.POSITIVE_INFINITY
  }
}

/** Finds out whose a token is: undefined for nobody's. Rejects when the registry cannot be asked. */
function createTokenCallers(
  options: TokenIdentityOptions
): (token: string) => Promise<Caller | undefined> {
  const { registry, cacheSeconds, now } = options
  const find = createLookupCache<Granted>({
    load: async (digest) => {
      const found = await registry.findToken(digest)
      return found === null ? undefined : grant(found)
    },
    lifetimeMs: ({ expiresInMs }) => Math.min(cacheSeconds * 1000, expiresInMs),
    missMs: MISS_MS,
    entries: ENTRIES,
    ...(now === undefined ? {} : { now })
  })
  return async (token) => {
    const digest = tokenDigest(token)
    if (digest === undefined) return undefined
    try {
      return (await find(digest))?.caller
    } catch (cause) {
      const message = 'Tokens cannot be checked at the moment. Try again in a few seconds.'
      throw new TankError('REGISTRY_UNAVAILABLE', message, { cause })
    }
  }
}

const plugin: FastifyPluginAsync<TokenIdentityOptions> = async (app, options) => {
  const refuse = refusals(options.authenticateUri)
  const callerOf = createTokenCallers(options)
  const verified = async (token: string, what: string): Promise<Caller> => {
    const caller = await callerOf(token)
    if (caller !== undefined) return caller
    throw refuse(`${what} is unknown, expired or revoked.`, 'invalid_token')
  }
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request) => {
    const token = tokenOf(request)
    if (token === undefined) {
      throw refuse(
        'Authentication required: send a token as X-Auth-Token or Authorization: Bearer.'
      )
    }
    const caller = await verified(token, 'The token')
    const service = header(request, 'x-service-token')
    request.caller =
      service === undefined
        ? caller
        : { ...caller, serviceRoles: (await verified(service, 'The service token')).roles }
  })
}

/** Identity mode `tokens`: static tokens that the registry knows by a digest of their secret. */
export const tokenIdentity: FastifyPluginAsync<TokenIdentityOptions> = fp(plugin, {
  name: 'tank-identity',
  fastify: '5.x'
})
