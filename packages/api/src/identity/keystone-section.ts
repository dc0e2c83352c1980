import { type Static, Type } from 'typebox'
import {
  KEYSTONE_URL,
  keystoneAccountProperties,
  keystoneConnectionProperties
} from './keystone-account.ts'

/** Section `identity.keystone` of the configuration: tokens that Keystone knows. */
export const keystoneSection = Type.Object(
  {
    url: Type.String({
      pattern: KEYSTONE_URL,
      description:
        'Mode `keystone`: the Identity API, such as https://keystone.example.org:5000/v3.'
    }),
    ...keystoneAccountProperties('asks about tokens; it needs the role `service` or `admin`'),
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
    ...keystoneConnectionProperties
  },
  { additionalProperties: false }
)
export type KeystoneSection = Static<typeof keystoneSection>
