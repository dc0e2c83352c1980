import { readFileSync } from 'node:fs'
import { TankClientError } from '../errors.ts'
import type { Auth, CatalogAuth, EndpointChoice } from './auth.ts'
import { clientCredentialsAuth } from './client-credentials.ts'
import { applicationCredentialAuth, passwordAuth } from './keystone.ts'

/** What the variables of an OpenStack environment say, in the form that `openTankClient` takes. */
export interface EnvironmentAuth extends EndpointChoice {
  readonly url?: string | undefined
  readonly token?: string | undefined
  readonly auth?: Auth | CatalogAuth | undefined
  readonly ca?: string | undefined
}

/** Variables, such as those of `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the `OS_*` variables of an OpenStack environment. `OS_AUTH_TYPE` chooses among `password`,
 * `v3applicationcredential`, `v3oidcclientcredentials`, `token` and `none`; without it what is set
 * decides. Throws `MISCONFIGURED` with the names of all variables that are missing.
 */
export function authFromEnvironment(environment: Environment): EnvironmentAuth {
  const env: Environment = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== '')
  )
  const ca = env.OS_CACERT === undefined ? undefined : readFileSync(env.OS_CACERT, 'utf8')
  return {
    url: env.OS_IMAGE_ENDPOINT_OVERRIDE ?? env.OS_ENDPOINT,
    region: env.OS_REGION_NAME,
    interface: interfaceOf(env.OS_INTERFACE ?? env.OS_ENDPOINT_TYPE),
    ca,
    ...credentialsOf(env, ca)
  }
}

function credentialsOf(
  env: Environment,
  ca: string | undefined
): Pick<EnvironmentAuth, 'auth' | 'token'> {
  switch (env.OS_AUTH_TYPE ?? guess(env)) {
    case 'none':
    case 'noauth':
      return {}
    case 'token':
    case 'v3token':
    case 'admin_token':
      return { token: need(env, 'OS_TOKEN').OS_TOKEN }
    case 'application_credential':
    case 'v3applicationcredential':
      return { auth: applicationCredential(env, ca) }
    case 'v3oidcclientcredentials':
      return { auth: clientCredentials(env, ca) }
    case 'password':
    case 'v3password':
      return { auth: password(env, ca) }
    default:
      throw misconfigured(`OS_AUTH_TYPE=${env.OS_AUTH_TYPE} is not known here`)
  }
}

function guess(env: Environment): string {
  if (env.OS_TOKEN !== undefined) return 'token'
  if (env.OS_APPLICATION_CREDENTIAL_SECRET !== undefined) return 'v3applicationcredential'
  if (env.OS_AUTH_URL === undefined && env.OS_USERNAME === undefined) return 'none'
  return 'password'
}

function password(env: Environment, ca: string | undefined): CatalogAuth {
  const user = env.OS_USER_ID === undefined ? (['OS_USERNAME'] as const) : []
  const { OS_AUTH_URL, OS_PASSWORD } = need(env, 'OS_AUTH_URL', 'OS_PASSWORD', ...user)
  return passwordAuth({
    ...userOf(env),
    authUrl: OS_AUTH_URL,
    password: OS_PASSWORD,
    projectId: env.OS_PROJECT_ID ?? env.OS_TENANT_ID,
    projectName: env.OS_PROJECT_NAME ?? env.OS_TENANT_NAME,
    projectDomainId: env.OS_PROJECT_DOMAIN_ID ?? env.OS_DEFAULT_DOMAIN_ID,
    projectDomainName: env.OS_PROJECT_DOMAIN_NAME ?? env.OS_DEFAULT_DOMAIN_NAME,
    ca
  })
}

function applicationCredential(env: Environment, ca: string | undefined): CatalogAuth {
  const { OS_APPLICATION_CREDENTIAL_ID: id, OS_APPLICATION_CREDENTIAL_NAME: name } = env
  const known = (id ?? name) ? [] : (['OS_APPLICATION_CREDENTIAL_ID'] as const)
  const given = need(env, 'OS_AUTH_URL', 'OS_APPLICATION_CREDENTIAL_SECRET', ...known)
  return applicationCredentialAuth({
    ...userOf(env),
    authUrl: given.OS_AUTH_URL,
    secret: given.OS_APPLICATION_CREDENTIAL_SECRET,
    id,
    name,
    ca
  })
}

function clientCredentials(env: Environment, ca: string | undefined): Auth {
  const { OS_ACCESS_TOKEN_ENDPOINT: tokenUrl, OS_DISCOVERY_ENDPOINT: discovery } = env
  const where = (tokenUrl ?? discovery) ? [] : (['OS_DISCOVERY_ENDPOINT'] as const)
  const given = need(env, 'OS_CLIENT_ID', 'OS_CLIENT_SECRET', ...where)
  return clientCredentialsAuth({
    clientId: given.OS_CLIENT_ID,
    clientSecret: given.OS_CLIENT_SECRET,
    issuer: discovery?.replace(/\/\.well-known\/openid-configuration$/, ''),
    tokenUrl,
    scope: env.OS_OPENID_SCOPE,
    ca
  })
}

function userOf(env: Environment) {
  return {
    username: env.OS_USERNAME,
    userId: env.OS_USER_ID,
    userDomainId: env.OS_USER_DOMAIN_ID ?? env.OS_DEFAULT_DOMAIN_ID,
    userDomainName: env.OS_USER_DOMAIN_NAME ?? env.OS_DEFAULT_DOMAIN_NAME
  }
}

function interfaceOf(value: string | undefined): EndpointChoice['interface'] {
  const name = value?.replace(/URL$/, '')
  if (name === undefined || name === 'public' || name === 'internal' || name === 'admin')
    return name
  throw misconfigured(`OS_INTERFACE must be public, internal or admin, not ${value}`)
}

/** The variables, none of them missing. */
function need<N extends string>(env: Environment, ...names: N[]): Record<N, string> {
  const missing = names.filter((name) => env[name] === undefined)
  if (missing.length > 0) throw misconfigured(`not set: ${missing.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, env[name]])) as Record<N, string>
}

function misconfigured(message: string): TankClientError {
  return new TankClientError('MISCONFIGURED', message)
}
