import { TankClientError } from '../errors.ts'
import { isRecord, readObject } from '../image-http.ts'
import type { CatalogAuth } from './auth.ts'
import { chooseEndpoint } from './catalog.ts'
import { callIdentity, type IdentityOptions } from './identity-call.ts'
import { type Grant, renewingAuth } from './renewing-auth.ts'

/** Where an identity service is. */
export interface KeystoneOptions extends IdentityOptions {
  /** Where the Identity API v3 is, with or without `/v3`. */
  readonly authUrl: string
}

/** A user with a password, and the project that the token is for. */
export interface PasswordOptions extends KeystoneOptions {
  /** Name, or `userId`. */
  readonly username?: string | undefined
  readonly userId?: string | undefined
  readonly password: string
  /** Domain of the user's name; the domain with the id `default` unless told. */
  readonly userDomainName?: string | undefined
  readonly userDomainId?: string | undefined
  /** Project that the token is for; the user's own default unless told. */
  readonly projectName?: string | undefined
  readonly projectId?: string | undefined
  /** Domain of the project's name; that of the user unless told. */
  readonly projectDomainName?: string | undefined
  readonly projectDomainId?: string | undefined
}

/** An application credential, by its id or by its name and user. */
export interface ApplicationCredentialOptions extends KeystoneOptions {
  /** Id, or the name together with its user. */
  readonly id?: string | undefined
  readonly name?: string | undefined
  readonly secret: string
  readonly username?: string | undefined
  readonly userId?: string | undefined
  readonly userDomainName?: string | undefined
  readonly userDomainId?: string | undefined
}

/** Tokens for a user and a password (Identity API v3). */
export function passwordAuth(options: PasswordOptions): CatalogAuth {
  const password = { user: { ...userOf(options), password: options.password } }
  const project = projectOf(options)
  return keystoneAuth(options, {
    identity: { methods: ['password'], password },
    ...(project && { scope: { project } })
  })
}

/** Tokens for an application credential (Identity API v3). */
export function applicationCredentialAuth(options: ApplicationCredentialOptions): CatalogAuth {
  const { id, name, secret } = options
  if (id === undefined && name === undefined) {
    throw new TankClientError('MISCONFIGURED', 'an application credential needs an id or a name')
  }
  const credential = id === undefined ? { name, user: userOf(options), secret } : { id, secret }
  return keystoneAuth(options, {
    identity: { methods: ['application_credential'], application_credential: credential }
  })
}

interface KeystoneGrant extends Grant {
  readonly catalog: unknown
}

function keystoneAuth(options: KeystoneOptions, auth: object): CatalogAuth {
  const base = options.authUrl.replace(/\/+$/, '')
  const url = `${base.endsWith('/v3') ? base : `${base}/v3`}/auth/tokens`
  const { grant, ...tokens } = renewingAuth(() => obtain(url, { auth }, options))
  return {
    ...tokens,
    endpoint: async (choice = {}) => chooseEndpoint((await grant()).catalog, choice)
  }
}

async function obtain(url: string, body: object, options: KeystoneOptions): Promise<KeystoneGrant> {
  const answer = await callIdentity(url, { method: 'POST', body }, options)
  const token = answer.headers['x-subject-token']
  const facts = readObject(answer).token
  if (typeof token !== 'string' || token === '' || !isRecord(facts)) {
    throw new TankClientError('BAD_ANSWER', 'the identity service gave no token')
  }
  return { token, lifetimeMs: lifetimeOf(facts), catalog: facts.catalog }
}

/** By the clock of the identity service alone, as ours may be wrong. */
function lifetimeOf({ issued_at, expires_at }: Record<string, unknown>): number | undefined {
  const from = Date.parse(String(issued_at))
  const life = Date.parse(String(expires_at)) - (Number.isNaN(from) ? Date.now() : from)
  return Number.isNaN(life) ? undefined : Math.max(life, 0)
}

type UserOptions = Pick<PasswordOptions, 'username' | 'userId' | 'userDomainName' | 'userDomainId'>

function userOf({ userId, username, userDomainId, userDomainName }: UserOptions): object {
  if (userId !== undefined) return { id: userId }
  if (username === undefined) {
    throw new TankClientError('MISCONFIGURED', 'a user needs a name or an id')
  }
  return { name: username, domain: domainOf(userDomainId, userDomainName) }
}

function projectOf(options: PasswordOptions): object | undefined {
  const { projectId, projectName } = options
  if (projectId !== undefined) return { id: projectId }
  if (projectName === undefined) return undefined
  const isOwn = options.projectDomainId === undefined && options.projectDomainName === undefined
  const domain = isOwn
    ? domainOf(options.userDomainId, options.userDomainName)
    : domainOf(options.projectDomainId, options.projectDomainName)
  return { name: projectName, domain }
}

function domainOf(id: string | undefined, name: string | undefined): object {
  return id === undefined && name !== undefined ? { name } : { id: id ?? 'default' }
}
