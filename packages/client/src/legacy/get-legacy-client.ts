import type { Environment } from '../auth/environment.ts'
import { TankClientError } from '../errors.ts'
import type { LegacyCredentials } from './credentials.ts'
import { LegacyClient } from './legacy-client.ts'
import type { LegacyClientOptions } from './options.ts'

/**
 * Makes a classic client of the options, and of the variables where those say nothing: `X7_…`, else
 * `OS_…`, with `USERNAME` (`AUTH_USER`), `PASSWORD` (`AUTH_KEY`), `TENANT_NAME` (`AUTH_TENANT`),
 * `AUTH_URL`, `REGION_NAME`, `AUTH_STRATEGY` and `TOKEN`; and `TANK_CLIENT_KEY_FILE`, `…_CERT_FILE`
 * and `…_CA_FILE`. Give `process.env`. Throws `MISCONFIGURED` when something is missing.
 */
export function getLegacyClient(
  options: LegacyClientOptions = {},
  environment: Environment = {}
): LegacyClient {
  const find = (...names: readonly string[]) => {
    for (const name of names) if (environment[name]) return environment[name]
    return undefined
  }
  const own = (...names: readonly string[]) =>
    find(...['X7_', 'OS_'].flatMap((prefix) => names.map((name) => prefix + name)))
  const file = (kind: string) => find(`TANK_CLIENT_${kind}_FILE`, `GLANCE_CLIENT_${kind}_FILE`)
  const said = {
    username: own('USERNAME', 'AUTH_USER'),
    password: own('PASSWORD', 'AUTH_KEY'),
    tenant: own('TENANT_NAME', 'AUTH_TENANT', 'PROJECT_NAME'),
    authUrl: own('AUTH_URL'),
    region: own('REGION_NAME'),
    userDomainName: own('USER_DOMAIN_NAME'),
    projectDomainName: own('PROJECT_DOMAIN_NAME')
  }
  const creds: LegacyCredentials = { ...said, ...given(options.creds ?? {}) }
  const strategy = creds.strategy ?? strategyOf(own('AUTH_STRATEGY'))
  // what the program passes comes before a token that lies about in the environment
  const token = options.authTok ?? (options.creds || options.auth ? undefined : own('TOKEN'))
  // who brings a token need not be able to make one
  const isTokenOnly = token !== undefined && !options.auth && !(creds.username && creds.password)
  return new LegacyClient({
    keyFile: file('KEY'),
    certFile: file('CERT'),
    caFile: file('CA'),
    ...given(options),
    authTok: token,
    creds: isTokenOnly ? undefined : { ...creds, strategy }
  })
}

function strategyOf(text: string | undefined): LegacyCredentials['strategy'] {
  if (text === undefined || text === 'noauth' || text === 'keystone') return text
  throw new TankClientError('MISCONFIGURED', `the strategy ${text} is not known here`)
}

/** Without what is undefined, which would hide what the environment says. */
function given<T extends object>(options: T): Partial<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Partial<T>
}
