import { type Static, type TObject, type TProperties, Type } from 'typebox'

const text = (description: string, fallback = '') => Type.String({ default: fallback, description })

/** How we get tokens of our own at Keystone; `purpose` says what its user is for. */
export function keystoneAccountProperties(purpose: string) {
  return {
    user: text(`Name of the user that ${purpose}.`),
    password: text('Password of that user.'),
    userDomain: text('Domain of that user, by name.', 'Default'),
    project: text('Project of that user, by name, such as `service`.'),
    projectDomain: text('Domain of that project, by name.', 'Default'),
    applicationCredentialId: text('Id of an application credential, in place of user and project.'),
    applicationCredentialSecret: text('Secret of the application credential.')
  } satisfies TProperties
}

export const KEYSTONE_URL = '^https?://[^\\s"\\\\]+$'

/** The connection to Keystone. */
export const keystoneConnectionProperties = {
  caFile: text("PEM file of the authorities for Keystone's certificate; empty: the usual ones."),
  timeoutSeconds: Type.Number({
    default: 5,
    minimum: 0.05,
    maximum: 60,
    description: 'How long an answer of Keystone may take.'
  })
}

export type KeystoneAccount = Static<TObject<ReturnType<typeof keystoneAccountProperties>>>

/** `POST` and `GET` of tokens, below the address of Keystone with or without its version. */
export function tokensUrl(base: string): string {
  const root = base.replace(/\/+$/, '').replace(/\/v3$/, '')
  return `${root}/v3/auth/tokens`
}

/** `auth` of the request for a token: who we are, and the scope. */
export function authOf(account: KeystoneAccount): object {
  const { applicationCredentialId, applicationCredentialSecret, user, password } = account
  if (applicationCredentialId !== '') {
    const application_credential = {
      id: applicationCredentialId,
      secret: applicationCredentialSecret
    }
    return { identity: { methods: ['application_credential'], application_credential } }
  }
  const { userDomain, project, projectDomain } = account
  const who = { name: user, domain: { name: userDomain }, password }
  return {
    identity: { methods: ['password'], password: { user: who } },
    scope: { project: { name: project, domain: { name: projectDomain } } }
  }
}

/** What is missing or too much of the credentials below the key `at`; empty: nothing. */
export function accountFaults(account: KeystoneAccount, at: string): string[] {
  const { applicationCredentialId: id, applicationCredentialSecret: secret } = account
  const password = ['user', 'password', 'project'] as const
  const given = password.filter((key) => account[key] !== '')
  if (id === '' && secret === '') {
    return password
      .filter((key) => account[key] === '')
      .map((key) => `${at}.${key}: missing; or give an application credential`)
  }
  if (given.length > 0) {
    const keys = given.join(', ')
    return [`${at}: ${keys} do not go with an application credential; give one of them`]
  }
  if (id === '') return [`${at}.applicationCredentialId: missing`]
  return secret === '' ? [`${at}.applicationCredentialSecret: missing`] : []
}
