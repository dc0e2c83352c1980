import type { CatalogAuth, EndpointChoice } from './auth/auth.ts'
import { TankClientError } from './errors.ts'
import { createTankClient, type TankClient, type TankClientOptions } from './tank-client.ts'

/** Options of `createTankClient`, and which service of the catalogue is meant. */
export interface OpenTankClientOptions extends Omit<TankClientOptions, 'url'>, EndpointChoice {
  /** Where the service is; the catalogue of `auth` says it unless told. */
  readonly url?: string | undefined
}

/** Makes a client of the service that the catalogue of an identity service names. */
export async function openTankClient(options: OpenTankClientOptions): Promise<TankClient> {
  const { url, region, interface: kind, ...rest } = options
  if (url !== undefined) return createTankClient({ ...rest, url })
  if (!hasCatalog(rest.auth)) {
    const text = 'give the url of the image service, or an auth whose catalogue names it'
    throw new TankClientError('MISCONFIGURED', text)
  }
  return createTankClient({ ...rest, url: await rest.auth.endpoint({ region, interface: kind }) })
}

function hasCatalog(auth: object | undefined): auth is CatalogAuth {
  return auth !== undefined && 'endpoint' in auth
}
