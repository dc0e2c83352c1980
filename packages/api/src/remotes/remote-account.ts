import { openIdentityHttp } from '../identity/identity-http.ts'
import { authOf, tokensUrl } from '../identity/keystone-account.ts'
import type { ImageEndpoint } from '../identity/keystone-catalog.ts'
import { KeystoneSession } from '../identity/keystone-session.ts'
import type { RegionSection } from './remotes-section.ts'

/** Who Tank itself is at the image service of a region. */
export interface RemoteAccount {
  /** Undefined: it asks without a token. @throws {TankError} IDENTITY_UNAVAILABLE */
  token(): Promise<string | undefined>
  /** Another token than this one, which was refused; undefined: there is no other. */
  tokenAfter(refused: string): Promise<string | undefined>
  /** The image services that the catalogue of the account names; none without a Keystone. */
  endpoints(): Promise<readonly ImageEndpoint[]>
  close(): Promise<void>
}

function fixed(token: string): RemoteAccount {
  return {
    token: async () => (token === '' ? undefined : token),
    tokenAfter: async () => undefined,
    endpoints: async () => [],
    close: async () => {}
  }
}

/** Opens the account of a region; `section` is its place in the configuration. */
export async function openAccount(
  { token, keystone }: Pick<RegionSection, 'token' | 'keystone'>,
  section: string,
  now: () => number
): Promise<RemoteAccount> {
  if (keystone === undefined) return fixed(token)
  const http = await openIdentityHttp({
    caFile: keystone.caFile,
    caFileKey: `${section}.keystone.caFile`,
    timeoutMs: keystone.timeoutSeconds * 1000
  })
  const session = new KeystoneSession({
    http,
    tokensUrl: tokensUrl(keystone.url),
    auth: authOf(keystone),
    section: `${section}.keystone`,
    now
  })
  return {
    token: () => session.token(),
    tokenAfter: (refused) => session.tokenAfter(refused),
    endpoints: () => session.imageEndpoints(),
    close: () => http.close()
  }
}
