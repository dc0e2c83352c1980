import { type Static, Type } from 'typebox'
import {
  KEYSTONE_URL,
  keystoneAccountProperties,
  keystoneConnectionProperties
} from '../identity/keystone-account.ts'

/** The kinds of endpoints that a service may have in a region. */
export const INTERFACES = ['public', 'internal', 'admin'] as const
export type Interface = (typeof INTERFACES)[number]

const endpoint = (name: Interface) =>
  Type.Optional(
    Type.String({
      pattern: KEYSTONE_URL,
      description: `Image service of the region NAME at its interface \`${name}\`; else the catalogue of the account names it.`
    })
  )

const account = Type.Object(
  {
    url: Type.String({
      pattern: KEYSTONE_URL,
      description:
        "Keystone that knows Tank's own account of the region NAME, and may name its endpoints."
    }),
    ...keystoneAccountProperties('reads the images of that region'),
    ...keystoneConnectionProperties
  },
  { additionalProperties: false }
)

const region = Type.Object(
  {
    access: Type.Union([Type.Literal('caller'), Type.Literal('account')], {
      default: 'caller',
      description:
        "Whose images callers may take from the region NAME. `caller`: those that they see there with their own token (identity mode `keystone`). `account`: every caller all that Tank's account sees there."
    }),
    endpoints: Type.Object(
      { public: endpoint('public'), internal: endpoint('internal'), admin: endpoint('admin') },
      { additionalProperties: false, default: {} }
    ),
    token: Type.String({
      default: '',
      pattern: '^[\\x21-\\x7e]*$',
      description:
        "Token of Tank's own account there, where it is one that stays; with neither this nor `keystone` Tank asks without any."
    }),
    keystone: Type.Optional(account),
    caFile: Type.String({
      default: '',
      description: 'PEM file of the authorities for its certificate; empty: the usual ones.'
    }),
    timeoutSeconds: Type.Number({
      default: 10,
      minimum: 0.05,
      maximum: 300,
      description: 'How long it may take to answer, and to send more of an image.'
    })
  },
  { additionalProperties: false }
)
export type RegionSection = Static<typeof region>

/** Section `imports.glanceDownload`: image services that others' images are taken from. */
export const remotesSection = Type.Object(
  {
    properties: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
      default: ['hw_', 'trait:', 'os_distro', 'os_secure_boot', 'os_type'],
      description:
        'With `glance-download` an image takes over the properties whose names begin so, beside the formats.'
    }),
    regions: Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }), region, {
      default: {}
    })
  },
  { additionalProperties: false, default: {} }
)
export type RemotesSection = Static<typeof remotesSection>
