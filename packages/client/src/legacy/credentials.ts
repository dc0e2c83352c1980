import type { Auth, CatalogAuth } from '../auth/auth.ts'
import { passwordAuth } from '../auth/keystone.ts'
import { passwordV1Auth, passwordV2Auth } from '../auth/old-identity.ts'
import { TankClientError } from '../errors.ts'

/** Who asks, in the words of the classic client. */
export interface LegacyCredentials {
  /** `keystone` with an `authUrl`, else `noauth` */
  readonly strategy?: 'noauth' | 'keystone' | undefined
  /**
   * Where the identity service is. `…/v2.0` speaks the Identity API v2.0, `…/v1` and `…/v1.0` the
   * one before it, everything else v3.
   */
  readonly authUrl?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Name of the project. */
  readonly tenant?: string | undefined
  /** Needed where the catalogue has several image services. */
  readonly region?: string | undefined
  /** Domains of the two names (v3); the one with the id `default` unless told. */
  readonly userDomainName?: string | undefined
  readonly projectDomainName?: string | undefined
}

/** Undefined for a client that says nobody's name. */
export function credentialsAuth(
  creds: LegacyCredentials,
  ca: string | undefined
): Auth | CatalogAuth | undefined {
  const { authUrl, username, password, tenant, userDomainName, projectDomainName } = creds
  const strategy = creds.strategy ?? (authUrl === undefined ? 'noauth' : 'keystone')
  if (authUrl === undefined && strategy === 'noauth') return undefined
  const missing = Object.entries({ authUrl, username, password }).filter(([, value]) => !value)
  if (authUrl === undefined || username === undefined || password === undefined) {
    const names = missing.map(([name]) => name).join(', ')
    throw new TankClientError('MISCONFIGURED', `credentials for keystone need ${names}`)
  }
  const old = { authUrl, username, password, tenant, ca }
  if (/\/v2\.0\/*$/.test(authUrl)) return passwordV2Auth(old)
  if (/\/v1(\.\d)?\/*$/.test(authUrl)) return passwordV1Auth(old)
  const project = { projectName: tenant, projectDomainName }
  return passwordAuth({ authUrl, username, password, userDomainName, ...project, ca })
}
