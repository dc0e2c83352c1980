import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import {
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify
} from 'jose'
import { callerOfClaims } from './claims.ts'
import { bearerChallenge, identityUnavailable, refused } from './credentials.ts'
import { openIdentityHttp } from './identity-http.ts'
import { IssuerKeys } from './issuer-keys.ts'
import type { JwtSection } from './jwt-section.ts'
import { identifyByToken } from './token-identity.ts'

export interface JwtIdentityOptions extends JwtSection {
  readonly authenticateUri: string
  readonly anonymous: boolean
  /** Milliseconds since 1970; the clock of the machine when absent. */
  readonly now?: () => number
}

const REASONS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'The token has expired. Get a new one.',
  ERR_JOSE_ALG_NOT_ALLOWED: 'The token is signed by an algorithm that is not allowed here.',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'The signature of the token is not valid.',
  ERR_JWKS_NO_MATCHING_KEY: 'The token is signed by a key that its issuer does not publish.'
}

const BY_CLAIM: Readonly<Record<string, string>> = {
  aud: 'The token is meant for another audience.',
  iss: 'The token is of another issuer.',
  nbf: 'The token is not valid yet.',
  exp: 'The token does not say when it expires.'
}

/** A sentence about what is wrong with a token; nothing of the token itself, nor of its claims. */
function refusalOf(error: unknown): Error {
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(BY_CLAIM[error.claim] ?? 'A claim of the token is not valid.')
  }
  if (error instanceof errors.JOSEError) {
    return refused(REASONS[error.code] ?? 'The token is not a JSON Web Token that can be read.')
  }
  return identityUnavailable('a key of the issuer cannot be used', error)
}

/** Verifies with the one key that fits, or with each of several that do. */
async function verify(
  token: string,
  find: JWTVerifyGetKey,
  options: JWTVerifyOptions
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    let last: unknown = new errors.JWSSignatureVerificationFailed()
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (cause) {
        last = cause
        if (!(cause instanceof errors.JWSSignatureVerificationFailed)) break
      }
    }
    throw last
  }
}

const plugin: FastifyPluginAsync<JwtIdentityOptions> = async (app, options) => {
  const { issuer, jwksUri, claims, roleMap, caFile, authenticateUri, anonymous } = options
  const now = options.now ?? Date.now
  const http = await openIdentityHttp({
    caFile,
    caFileKey: 'identity.jwt.caFile',
    timeoutMs: options.timeoutSeconds * 1000
  })
  app.addHook('onClose', () => http.close())
  const keys = new IssuerKeys({ http, issuer, jwksUri, keepMs: options.keysSeconds * 1000, now })

  async function payloadOf(token: string): Promise<JWTPayload> {
    const rules: JWTVerifyOptions = {
      issuer,
      audience: [...options.audience],
      algorithms: [...options.algorithms],
      clockTolerance: options.clockSkewSeconds,
      requiredClaims: ['exp'],
      currentDate: new Date(now())
    }
    const known = await keys.current()
    try {
      return await verify(token, known.find, rules)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusalOf(error)
      const newer = await keys.after(known)
      if (newer === undefined) throw refusalOf(error)
      return await verify(token, newer.find, rules).catch((cause: unknown) => {
        throw refusalOf(cause)
      })
    }
  }

  identifyByToken(app, {
    anonymous,
    identify: async (token) => callerOfClaims(await payloadOf(token), claims, roleMap),
    challenge: (isGiven) => bearerChallenge(isGiven, authenticateUri)
  })
  // the first callers need not wait, and who runs this reads early that something is wrong
  app.addHook('onReady', async () => {
    keys.current().catch((err: unknown) => app.log.warn({ err }, 'no keys of the token issuer'))
  })
}

/** Identity mode `jwt`: tokens that an OpenID Connect issuer signs (RFC 7519, RFC 9068). */
export const jwtIdentity: FastifyPluginAsync<JwtIdentityOptions> = fp(plugin, {
  name: 'tank-identity',
  fastify: '5.x'
})
