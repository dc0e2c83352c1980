import type { Auth, CatalogAuth, EnvironmentAuth } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { CommandError, EXIT, UsageError } from '../command-line.ts'
import { printable } from '../output/printable.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Who one is, and maybe where the service is, by the `OS_*` variables. */
export interface OpenStack {
  /** What `OS_IMAGE_ENDPOINT_OVERRIDE` or `OS_ENDPOINT` says. */
  readonly url: string | undefined
  readonly token: string | undefined
  readonly auth: Auth | undefined
  /** Asks the catalogue where the image service is. */
  readonly endpoint: (() => Promise<string>) | undefined
}

const SAY_SO = [
  'OS_AUTH_URL',
  'OS_TOKEN',
  'OS_ENDPOINT',
  'OS_IMAGE_ENDPOINT_OVERRIDE',
  'OS_USERNAME',
  'OS_APPLICATION_CREDENTIAL_SECRET',
  'OS_DISCOVERY_ENDPOINT',
  'OS_ACCESS_TOKEN_ENDPOINT'
]

/** The `OS_*` variables; those called `X7_*` beat them. */
function variablesOf(env: Env): Env {
  const own = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith('X7_') && value ? [[`OS_${name.slice(3)}`, value] as const] : []
  )
  return { ...env, ...Object.fromEntries(own) }
}

const ADDRESSES = ['OS_AUTH_URL', 'OS_ACCESS_TOKEN_ENDPOINT', 'OS_DISCOVERY_ENDPOINT'] as const

/** The variable that ought to have an address and has none. */
function noAddress(env: Env): UsageError | undefined {
  const wrong = ADDRESSES.find((name) => env[name] && !/^https?:\/\/[^/]/i.test(env[name] ?? ''))
  return wrong && new UsageError(`${wrong} is no address: it begins with https:// or http://.`)
}

/** What failed at the identity service, told apart from failures of the image service. */
function identityFailure(error: unknown, authUrl: string): unknown {
  if (!isTankClientError(error)) return error
  const { code, status } = error
  const message = printable(error.message).replace(/\.$/, '')
  if (code === 'MISCONFIGURED')
    return new UsageError(`The OS_ variables are not complete: ${message}.`)
  if (code === 'AMBIGUOUS_ENDPOINT') return new UsageError(`${message} (OS_REGION_NAME).`)
  if (code === 'NO_ENDPOINT') {
    const next = 'Say where the service is: --url or TANK_URL.'
    return new CommandError(EXIT.failed, `${message} (${authUrl}). ${next}`)
  }
  if (status === 401 || status === 403) {
    const next = 'Are OS_USERNAME, OS_PASSWORD, the project and the domains right?'
    return new CommandError(EXIT.refused, `${message} (${authUrl}). ${next}`)
  }
  return new CommandError(
    EXIT.unreachable,
    `the identity service of OS_AUTH_URL gives no token: ${message}.`
  )
}

/**
 * Reads the `OS_*` variables; undefined where they name no service. `caFile` is for the identity
 * service as well.
 */
export async function openStackOf(
  env: Env,
  caFile: string | undefined
): Promise<OpenStack | undefined> {
  const all = variablesOf(env)
  if (!SAY_SO.some((name) => all[name])) return undefined
  // the certificates are read by whoever made `caFile` of OS_CACERT, who says so when he cannot
  const settings = { ...all, OS_CACERT: caFile }
  const authUrl = all.OS_AUTH_URL ?? all.OS_ACCESS_TOKEN_ENDPOINT ?? all.OS_DISCOVERY_ENDPOINT ?? ''
  const explained = async <T>(run: () => T | Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      throw noAddress(all) ?? identityFailure(error, authUrl)
    }
  }
  const { authFromEnvironment } = await import('@tank/client')
  const {
    url,
    token,
    auth,
    region,
    interface: kind
  } = await explained(() => authFromEnvironment(settings))
  return {
    url: url || undefined,
    token,
    auth: auth && {
      token: () => explained(() => auth.token()),
      refuse: (refused) => auth.refuse(refused)
    },
    endpoint: hasCatalog(auth)
      ? () => explained(() => auth.endpoint({ region, interface: kind }))
      : undefined
  }
}

function hasCatalog(auth: EnvironmentAuth['auth']): auth is CatalogAuth {
  return auth !== undefined && 'endpoint' in auth
}
