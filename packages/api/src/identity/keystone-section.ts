import { type Static, Type } from 'typebox'

const text = (description: string, fallback = '') => Type.String({ default: fallback, description })

/** Section `identity.keystone` of the configuration: tokens that Keystone knows. */
export const keystoneSection = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[^\\s"\\\\]+$',
      description:
        'Mode `keystone`: the Identity API, such as https://keystone.example.org:5000/v3.'
    }),
    user: text('Name of the user that asks about tokens; it needs the role `service` or `admin`.'),
    password: text('Password of that user.'),
    userDomain: text('Domain of that user, by name.', 'Default'),
    project: text('Project of that user, by name, such as `service`.'),
    projectDomain: text('Domain of that project, by name.', 'Default'),
    applicationCredentialId: text('Id of an application credential, in place of user and project.'),
    applicationCredentialSecret: text('Secret of the application credential.'),
    cacheSeconds: Type.Number({
      default: 60,
      minimum: 0,
      maximum: 3600,
      description:
        'How long a token is believed without asking again: a revoked one ends after that.'
    }),
    cacheEntries: Type.Integer({
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
      description: 'Most tokens that are remembered.'
    }),
    caFile: text("PEM file of the authorities for Keystone's certificate; empty: the usual ones."),
    timeoutSeconds: Type.Number({
      default: 5,
      minimum: 0.05,
      maximum: 60,
      description: 'How long an answer of Keystone may take.'
    })
  },
  { additionalProperties: false }
)
export type KeystoneSection = Static<typeof keystoneSection>
