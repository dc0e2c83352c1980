import { ConfigError } from '@tank/service'
import type { ApiConfig } from '../config.ts'
import type { JwtSection } from './jwt-section.ts'
import { accountFaults } from './keystone-account.ts'
import type { KeystoneSection } from './keystone-section.ts'
import { hasUserInfo, isSafeForKeys } from './secure-url.ts'

type Identity = ApiConfig['identity']

const NOT_SAFE =
  'has to be an https URL (http only on this machine): keys could be exchanged on the way'

function jwtFaults(section: JwtSection | undefined): string[] {
  if (section === undefined) {
    return ['identity.jwt: mode jwt needs this section, with issuer and audience']
  }
  const { issuer, jwksUri } = section
  if (jwksUri !== '') {
    return isSafeForKeys(jwksUri) ? [] : [`identity.jwt.jwksUri: ${NOT_SAFE}`]
  }
  return isSafeForKeys(issuer) ? [] : [`identity.jwt.issuer: ${NOT_SAFE}; or give jwksUri`]
}

function keystoneFaults(section: KeystoneSection | undefined): string[] {
  if (section === undefined) {
    return [
      'identity.keystone: mode keystone needs this section, with url, user, password and project, or with url and an application credential'
    ]
  }
  const faults = accountFaults(section, 'identity.keystone')
  if (!URL.canParse(section.url)) faults.push('identity.keystone.url: is not a URL')
  if (hasUserInfo(section.url)) {
    faults.push('identity.keystone.url: credentials belong into user and password')
  }
  return faults
}

/**
 * Checks what the schema cannot: that the section of the chosen mode is there and whole.
 *
 * @throws {ConfigError} with every fault at once
 */
export function checkIdentity(identity: Identity): void {
  const { mode, anonymous } = identity
  const faults: string[] = []
  if (mode === 'jwt') faults.push(...jwtFaults(identity.jwt))
  if (mode === 'keystone') faults.push(...keystoneFaults(identity.keystone))
  if (anonymous && (mode === 'none' || mode === 'headers')) {
    faults.push(`identity.anonymous: mode ${mode} does not know it; leave it out`)
  }
  if (faults.length > 0) throw new ConfigError(faults)
}
