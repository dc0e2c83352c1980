import { TankClientError } from '../errors.ts'
import { isRecord, readObject } from '../image-http.ts'
import type { Auth, CatalogAuth } from './auth.ts'
import { chooseEndpoint } from './catalog.ts'
import { callIdentity, type IdentityOptions } from './identity-call.ts'
import { renewingAuth } from './renewing-auth.ts'

export interface OldPasswordOptions extends IdentityOptions {
  readonly authUrl: string
  readonly username: string
  readonly password: string
  readonly tenant?: string | undefined
}

/** Tokens of an Identity API v2.0. */
export function passwordV2Auth(options: OldPasswordOptions): CatalogAuth {
  const { grant, ...tokens } = renewingAuth(() => obtainV2(options))
  return {
    ...tokens,
    endpoint: async (choice = {}) => chooseEndpoint((await grant()).catalog, choice)
  }
}

async function obtainV2(options: OldPasswordOptions) {
  const { username, password, tenant } = options
  const url = `${options.authUrl.replace(/\/+$/, '')}/tokens`
  const auth = {
    ...(tenant !== undefined && { tenantName: tenant }),
    passwordCredentials: { username, password }
  }
  const answer = await callIdentity(url, { method: 'POST', body: { auth } }, options)
  const { access } = readObject(answer)
  const { token, serviceCatalog } = isRecord(access) ? access : {}
  if (!isRecord(token) || typeof token.id !== 'string' || token.id === '') throw noToken()
  const life = Date.parse(String(token.expires)) - Date.now()
  const lifetimeMs = Number.isNaN(life) ? undefined : Math.max(life, 0)
  return { token: token.id, lifetimeMs, catalog: toCatalog(serviceCatalog) }
}

/** In the form of v3: one entry for each URL. */
function toCatalog(services: unknown): unknown {
  if (!Array.isArray(services)) return []
  return services.filter(isRecord).map(({ type, endpoints }) => ({
    type,
    endpoints: (Array.isArray(endpoints) ? endpoints : [])
      .filter(isRecord)
      .flatMap(({ region, publicURL, internalURL, adminURL }) =>
        Object.entries({ public: publicURL, internal: internalURL, admin: adminURL })
          .filter(([, url]) => typeof url === 'string')
          .map(([kind, url]) => ({ url, region, interface: kind }))
      )
  }))
}

/** Tokens of the services that came before, which ask by headers and have no catalogue. */
export function passwordV1Auth(options: OldPasswordOptions): Auth {
  const { username, password, tenant } = options
  const headers = {
    'x-auth-user': username,
    'x-auth-key': password,
    ...(tenant !== undefined && { 'x-auth-tenant': tenant })
  }
  const { token, refuse } = renewingAuth(async () => {
    const answer = await callIdentity(options.authUrl, { method: 'GET', headers }, options)
    const given = answer.headers['x-auth-token']
    if (typeof given !== 'string' || given === '') throw noToken()
    return { token: given, lifetimeMs: undefined }
  })
  return { token, refuse }
}

function noToken(): TankClientError {
  return new TankClientError('BAD_ANSWER', 'the identity service gave no token')
}
