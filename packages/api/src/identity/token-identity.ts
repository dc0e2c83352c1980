import { isTankError, TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Caller, readsOnly, roleSet } from './caller.ts'
import { credentialOf, refused, serviceCredentialOf } from './credentials.ts'
import { findCallers } from './find-callers.ts'

/** An identity mode in which requests bring a token. */
export interface TokenMode {
  /**
   * Who a token stands for. `allowExpired`: a service of the cloud passes the request on, and the
   * token may have expired since it took it.
   *
   * @throws {TankError} UNAUTHENTICATED, or IDENTITY_UNAVAILABLE when nobody can say
   */
  identify(token: string, options: { readonly allowExpired: boolean }): Promise<Caller>
  /** `WWW-Authenticate` of a refusal; `isGiven`: there was a token. */
  challenge(isGiven: boolean): string
  /** Lets requests without any token read what is public. */
  readonly anonymous: boolean
}

const ANONYMOUS: Caller = Object.freeze({
  user: null,
  project: null,
  domain: null,
  roles: roleSet(['reader']),
  serviceRoles: roleSet([]),
  readOnly: true
})

async function callerOf(request: FastifyRequest, mode: TokenMode): Promise<Caller> {
  const token = credentialOf(request)
  if (token === undefined) {
    if (mode.anonymous) return ANONYMOUS
    throw refused('Authentication required: send a token as X-Auth-Token or Authorization: Bearer.')
  }
  const serviceToken = serviceCredentialOf(request)
  if (serviceToken === undefined) return await mode.identify(token, { allowExpired: false })
  const { roles } = await mode.identify(serviceToken, { allowExpired: false })
  const caller = await mode.identify(token, { allowExpired: roles.has('service') })
  return { ...caller, serviceRoles: roles, readOnly: readsOnly(caller.roles, roles) }
}

function hasCredential({ headers }: FastifyRequest): boolean {
  return Boolean(headers['x-auth-token'] || headers.authorization)
}

/** Finds out `request.caller` by the tokens of each request of this scope. */
export function identifyByToken(app: FastifyInstance, mode: TokenMode): void {
  findCallers(app, async (request) => {
    try {
      return await callerOf(request, mode)
    } catch (error) {
      if (!isTankError(error, 'UNAUTHENTICATED')) throw error
      throw new TankError('UNAUTHENTICATED', error.message, {
        headers: { 'www-authenticate': mode.challenge(hasCredential(request)) }
      })
    }
  })
}
