import { TankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'

/** Longest token, in bytes: half of what all headers together may have. */
const LONGEST_TOKEN = 8192
const TOKEN = /^[\x21-\x7e]+$/
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i

/** A token that stands for nobody. The sentence may be shown; it repeats nothing of the token. */
export function refused(message: string): TankError {
  return new TankError('UNAUTHENTICATED', message)
}

/**
 * Nobody can say who calls. `detail` is for the log: callers read the same sentence every time.
 */
export function identityUnavailable(detail: string, cause?: unknown): TankError {
  return new TankError(
    'IDENTITY_UNAVAILABLE',
    'The identity service cannot be asked. Try again in a moment.',
    { cause: new Error(detail, { cause }), headers: { 'retry-after': '5' } }
  )
}

function checked(token: string): string {
  if (token.length > LONGEST_TOKEN) {
    throw refused(`The token is longer than ${LONGEST_TOKEN} bytes.`)
  }
  if (!TOKEN.test(token)) throw refused('The token has characters that no token has.')
  return token
}

function tokenIn(request: FastifyRequest, header: string): string | undefined {
  const value = request.headers[header]
  return typeof value === 'string' && value !== '' ? checked(value) : undefined
}

function bearerIn(request: FastifyRequest, isOnly: boolean): string | undefined {
  const { authorization } = request.headers
  if (authorization === undefined || authorization === '') return undefined
  const token = BEARER.exec(authorization)?.[1]
  if (token !== undefined) return checked(token)
  // beside X-Auth-Token it may be meant for a proxy
  if (!isOnly) return undefined
  throw refused('The header Authorization is not "Bearer" and a token.')
}

/**
 * The token that a request brings, in `X-Auth-Token` (A1) or `Authorization: Bearer` (RFC 6750);
 * undefined when it brings none.
 *
 * @throws {TankError} UNAUTHENTICATED for what cannot be a token, and for two different ones
 */
export function credentialOf(request: FastifyRequest): string | undefined {
  const token = tokenIn(request, 'x-auth-token')
  const bearer = bearerIn(request, token === undefined)
  if (token !== undefined && bearer !== undefined && token !== bearer) {
    throw refused('X-Auth-Token and Authorization hold different tokens. Send one of them.')
  }
  return token ?? bearer
}

/** The token of the service that passes a request on, in `X-Service-Token` (A1). */
export function serviceCredentialOf(request: FastifyRequest): string | undefined {
  return tokenIn(request, 'x-service-token')
}

/** Says in `WWW-Authenticate` that tokens come from an Identity API (A2). */
export function keystoneChallenge(authenticateUri: string): string {
  return `Keystone uri="${authenticateUri}"`
}

/**
 * Asks in `WWW-Authenticate` for a bearer token (RFC 6750, section 3), and says where one comes from
 * when that is known.
 */
export function bearerChallenge(isGiven: boolean, authenticateUri: string): string {
  const bearer = isGiven ? 'Bearer realm="tank", error="invalid_token"' : 'Bearer realm="tank"'
  return authenticateUri === '' ? bearer : `${bearer}, ${keystoneChallenge(authenticateUri)}`
}
