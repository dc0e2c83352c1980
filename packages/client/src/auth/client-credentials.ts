import { TankClientError } from '../errors.ts'
import { readObject } from '../image-http.ts'
import type { Auth } from './auth.ts'
import { callIdentity, type IdentityOptions } from './identity-call.ts'
import { type Grant, renewingAuth } from './renewing-auth.ts'

/** A program that an OpenID Connect provider knows. */
export interface ClientCredentialsOptions extends IdentityOptions {
  /** Issuer whose discovery document names the token endpoint, or `tokenUrl`. */
  readonly issuer?: string | undefined
  readonly tokenUrl?: string | undefined
  readonly clientId: string
  readonly clientSecret: string
  readonly scope?: string | undefined
  readonly audience?: string | undefined
}

/** Tokens of an OpenID Connect provider for a program (RFC 6749, 4.4), asked for by HTTP Basic. */
export function clientCredentialsAuth(options: ClientCredentialsOptions): Auth {
  if (options.tokenUrl === undefined && options.issuer === undefined) {
    throw new TankClientError('MISCONFIGURED', 'client credentials need an issuer or a tokenUrl')
  }
  const { token, refuse } = renewingAuth(() => obtain(options))
  return { token, refuse }
}

async function obtain(options: ClientCredentialsOptions): Promise<Grant> {
  const { issuer = '', tokenUrl = await discover(issuer, options), scope, audience } = options
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (scope !== undefined) form.set('scope', scope)
  if (audience !== undefined) form.set('audience', audience)
  const request = {
    method: 'POST',
    contentType: 'application/x-www-form-urlencoded',
    headers: { authorization: basic(options), accept: 'application/json' },
    body: form.toString()
  } as const
  const answer = readObject(await callIdentity(tokenUrl, request, options))
  const { access_token: token, expires_in: seconds } = answer
  if (typeof token !== 'string' || token === '') {
    throw new TankClientError('BAD_ANSWER', 'the identity provider gave no access token')
  }
  return {
    token,
    lifetimeMs: Number.isFinite(Number(seconds)) ? Number(seconds) * 1000 : undefined
  }
}

/** Both parts are form-encoded first (RFC 6749, 2.3.1). */
function basic({ clientId, clientSecret }: ClientCredentialsOptions): string {
  const [id, secret] = [clientId, clientSecret].map((text) =>
    new URLSearchParams({ '': text }).toString().slice(1)
  )
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

async function discover(issuer: string, options: IdentityOptions): Promise<string> {
  const url = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`
  const document = readObject(await callIdentity(url, { method: 'GET' }, options))
  const { token_endpoint: endpoint } = document
  if (document.issuer !== issuer || typeof endpoint !== 'string') {
    throw new TankClientError('BAD_ANSWER', `${url} is not the discovery document of ${issuer}`)
  }
  if (issuer.startsWith('https:') && !endpoint.startsWith('https:')) {
    throw new TankClientError('BAD_ANSWER', `the token endpoint of ${issuer} is not encrypted`)
  }
  return endpoint
}
