import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { StoreOptionsError } from '@tank/store'
import { type Static, Type } from 'typebox'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

const text = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
const url = (description: string) => Type.String({ pattern: '^https?://[^@?#]+$', description })
const milliseconds = (fallback: number, description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600_000, default: fallback, description }))

export const chaseStoreOptions = Type.Object(
  {
    authUrl: url(
      'Where a token is had: `https://swift.example/auth/v1.0`, `https://keystone.example:5000/v3`.'
    ),
    authVersion: Type.Optional(
      Type.Union([Type.Literal(1), Type.Literal(3)], {
        description: 'How: 1 is Swift’s own way, 3 the Identity API. Default: as `authUrl` ends.'
      })
    ),
    user: text('Version 1: the user, such as `account:user`.'),
    key: text('Version 1: the key of the user.'),
    username: text('Version 3: the user.'),
    password: text('Version 3: the password of the user.'),
    userDomain: Type.Optional(
      Type.String({ minLength: 1, default: 'Default', description: 'Domain of the user.' })
    ),
    project: text('Version 3: the project that owns the container.'),
    projectDomain: Type.Optional(
      Type.String({ minLength: 1, default: 'Default', description: 'Domain of the project.' })
    ),
    applicationCredentialId: text('Version 3: in place of a user, password and project.'),
    applicationCredentialSecret: text('Version 3: the secret of the application credential.'),
    region: text('Version 3: the region whose object store is meant; needed if there are several.'),
    interface: Type.Optional(
      Type.Union([Type.Literal('public'), Type.Literal('internal'), Type.Literal('admin')], {
        default: 'public',
        description: 'Version 3: which of the addresses of the object store.'
      })
    ),
    storageUrl: Type.Optional(
      url('The account’s address, in place of the one that comes with the token.')
    ),
    container: Type.String({
      pattern: '^(?!\\.{1,2}$)[^/]{1,256}$',
      description: 'The container of the images. Nothing else should be kept in it.'
    }),
    prefix: Type.Optional(
      Type.String({
        // No dot at the start of a part: such paths are changed on the way by some proxies.
        pattern: '^([0-9A-Za-z_-][0-9A-Za-z._-]*/)*([0-9A-Za-z_-][0-9A-Za-z._-]*)?$',
        maxLength: 256,
        default: '',
        description: 'What the names of all objects begin with, such as `tank/`.'
      })
    ),
    createContainer: Type.Optional(
      Type.Boolean({ default: false, description: 'Make the container when it is missing.' })
    ),
    segmentSize: Type.Optional(
      Type.Integer({
        minimum: 64 * 1024,
        maximum: GiB,
        default: 16 * MiB,
        description:
          'Bytes of a segment. An upload holds `concurrency` + 1 of them in memory; below 1 MiB many servers slow down reading.'
      })
    ),
    concurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32,
        default: 2,
        description: 'Segments of one upload that are sent at the same time.'
      })
    ),
    tempUrlKey: text(
      'The account’s or container’s Temp-URL-Key; with it the store offers signed URLs.'
    ),
    connectTimeout: milliseconds(10_000, 'Milliseconds for a connection to be made.'),
    answerTimeout: milliseconds(60_000, 'Milliseconds for an answer to begin.'),
    stallTimeout: milliseconds(60_000, 'Milliseconds without a byte that end a transfer.'),
    maxAttempts: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 40,
        description:
          'Tries of a request to which the server says "later" (408, 429, 498, 5xx), a second apart or less. Without any answer at most five.'
      })
    ),
    caFile: text('PEM file of certificates to believe, beside those that Node knows.')
  },
  { additionalProperties: false }
)

export type ChaseStoreOptions = Static<typeof chaseStoreOptions>

interface PasswordCredentials {
  readonly username: string
  readonly password: string
  readonly userDomain: string
  readonly project: string
  readonly projectDomain: string
}

export type Credentials =
  | { readonly version: 1; readonly user: string; readonly key: string }
  | ({ readonly version: 3; readonly kind: 'password' } & PasswordCredentials)
  | { readonly version: 3; readonly kind: 'application'; id: string; secret: string }

interface Timeouts {
  readonly connect: number
  readonly answer: number
  readonly stall: number
}

export interface Settings {
  readonly authUrl: URL
  readonly credentials: Credentials
  readonly region: string | undefined
  readonly interface: 'public' | 'internal' | 'admin'
  readonly storageUrl: URL | undefined
  readonly container: string
  readonly prefix: string
  readonly createContainer: boolean
  readonly segmentSize: number
  readonly concurrency: number
  readonly tempUrlKey: string | undefined
  readonly timeouts: Timeouts
  readonly maxAttempts: number
  /** Certificates to believe; undefined: those that Node knows. */
  readonly authorities: readonly string[] | undefined
}

/** Fills in defaults; throws StoreOptionsError for what the schema cannot see. */
export function withDefaults(options: ChaseStoreOptions, subject = 'store-chase'): Settings {
  const faults: string[] = []
  const credentials = credentialsOf(options, faults)
  const authorities = authoritiesOf(options.caFile, faults)
  if (faults.length > 0) throw new StoreOptionsError(subject, faults)
  return {
    authUrl: new URL(options.authUrl),
    credentials,
    region: options.region,
    interface: options.interface ?? 'public',
    storageUrl: options.storageUrl === undefined ? undefined : new URL(options.storageUrl),
    container: options.container,
    prefix: options.prefix ?? '',
    createContainer: options.createContainer ?? false,
    segmentSize: options.segmentSize ?? 16 * MiB,
    concurrency: options.concurrency ?? 2,
    tempUrlKey: options.tempUrlKey,
    timeouts: {
      connect: options.connectTimeout ?? 10_000,
      answer: options.answerTimeout ?? 60_000,
      stall: options.stallTimeout ?? 60_000
    },
    maxAttempts: options.maxAttempts ?? 40,
    authorities
  }
}

function credentialsOf(options: ChaseStoreOptions, faults: string[]): Credentials {
  const { authUrl, authVersion = /\/v1(\.0)?\/?$/.test(authUrl) ? 1 : 3 } = options
  const given = (names: readonly (keyof ChaseStoreOptions)[]) => {
    for (const name of names) {
      if (options[name] === undefined) faults.push(`/${name}: missing (authVersion ${authVersion})`)
    }
  }
  if (authVersion === 1) {
    given(['user', 'key'])
    const { user = '', key = '' } = options
    return { version: 1, user, key }
  }
  if (options.applicationCredentialId !== undefined) {
    given(['applicationCredentialSecret'])
    const { applicationCredentialId: id, applicationCredentialSecret: secret = '' } = options
    return { version: 3, kind: 'application', id, secret }
  }
  given(['username', 'password', 'project'])
  const { username = '', password = '', userDomain = 'Default' } = options
  const { project = '', projectDomain = 'Default' } = options
  const scope = { project, projectDomain }
  return { version: 3, kind: 'password', username, password, userDomain, ...scope }
}

function authoritiesOf(caFile: string | undefined, faults: string[]): string[] | undefined {
  if (caFile === undefined) return undefined
  try {
    return [...rootCertificates, readFileSync(caFile, 'utf8')]
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    faults.push(`/caFile: cannot be read: ${why}`)
    return undefined
  }
}
