import { type Static, Type } from 'typebox'
import { cacheSection } from './cache/cache-section.ts'
import { jwtSection } from './identity/jwt-section.ts'
import { keystoneSection } from './identity/keystone-section.ts'
import { inspectionSection } from './inspection/inspection-section.ts'
import { remotesSection } from './remotes/remotes-section.ts'

export { checkSignatures } from './ingest/signing-certificates.ts'
export { checkInspection } from './inspection/rules.ts'
export { checkAccess } from './policy/access.ts'
export { checkRemotes } from './remotes/check-remotes.ts'

const count = (description: string, fallback: number) =>
  Type.Integer({ description, default: fallback })

const identity = Type.Object(
  {
    mode: Type.Union(
      [
        Type.Literal('none'),
        Type.Literal('headers'),
        Type.Literal('tokens'),
        Type.Literal('jwt'),
        Type.Literal('keystone')
      ],
      {
        default: 'none',
        description:
          '`none`: everyone is an administrator. `headers`: a trusted front sends X-Identity-Status, X-User-Id, X-Project-Id and X-Roles. `tokens`: those that `tank token create` makes. `jwt`: tokens of an OpenID Connect issuer. `keystone`: tokens of Keystone.'
      }
    ),
    allowOpen: Type.Boolean({
      default: false,
      description:
        'Allows mode `none` on an address that other machines reach. Only behind something that keeps strangers out.'
    }),
    trustedFronts: Type.Array(Type.String({ minLength: 1 }), {
      default: ['127.0.0.1', '::1'],
      description:
        'Addresses and CIDR ranges whose identity headers are believed (mode `headers`). Identity headers of anyone else are an error 401.'
    }),
    authenticateUri: Type.String({
      default: '',
      pattern: '^[^\\s"\\\\]*$',
      description:
        'Where clients get a token; shown in WWW-Authenticate of a 401. Empty in mode `keystone`: its `url`.'
    }),
    anonymous: Type.Boolean({
      default: false,
      description:
        'Requests without any token read public images (modes `tokens`, `jwt` and `keystone`). A wrong token is an error 401 all the same.'
    }),
    tokens: Type.Object(
      {
        cacheSeconds: Type.Number({
          default: 10,
          minimum: 0,
          maximum: 3600,
          description:
            'How long a token is believed without asking the registry again (mode `tokens`): a revoked one works for so long at most.'
        })
      },
      { additionalProperties: false, default: {} }
    ),
    jwt: Type.Optional(jwtSection),
    keystone: Type.Optional(keystoneSection)
  },
  { additionalProperties: false, default: {} }
)

const store = Type.Object(
  {
    use: Type.String({
      minLength: 1,
      description: 'Package of the store, such as @tank/store-fs, or a path to a module.'
    })
  },
  { additionalProperties: true, description: 'All other keys are options of the store itself.' }
)

const limits = Type.Object(
  {
    properties: count('Custom properties of one image; negative: no limit.', 128),
    tags: count('Tags of one image; negative: no limit.', 128),
    members: count('Members of one image; negative: no limit.', 128),
    locations: count('Locations of one image; negative: no limit.', 10)
  },
  { additionalProperties: false, default: {} }
)

const transfers = Type.Object(
  {
    minimumRate: Type.Integer({
      default: 65536,
      minimum: 0,
      description: 'Bytes a second that an upload has to average over a minute; 0: no limit.'
    }),
    stallSeconds: Type.Integer({
      default: 60,
      minimum: 1,
      description: 'A download whose reader takes nothing for so long is ended.'
    }),
    storeSeconds: Type.Number({
      default: 10,
      minimum: 0.05,
      description:
        'A store that says nothing for so long is taken to be away, and another one is asked.'
    }),
    storePauseSeconds: Type.Number({
      default: 10,
      minimum: 0,
      description: 'How long a store that is away is asked only when no other one has the image.'
    })
  },
  { additionalProperties: false, default: {} }
)

const jobs = Type.Object(
  {
    concurrency: Type.Integer({
      default: 2,
      minimum: 0,
      description:
        'Background work (imports, copies, outside locations) that this process does at once; 0: none.'
    }),
    pollSeconds: Type.Number({
      default: 5,
      minimum: 0.05,
      description: 'How often it looks for work that other processes were asked for.'
    }),
    stallSeconds: Type.Number({
      default: 600,
      minimum: 0.1,
      description: 'Work whose bytes do not move for so long is given up.'
    })
  },
  { additionalProperties: false, default: {} }
)

const imports = Type.Object(
  {
    methods: Type.Array(
      Type.Union([
        Type.Literal('glance-direct'),
        Type.Literal('web-download'),
        Type.Literal('copy-image'),
        Type.Literal('glance-download')
      ]),
      {
        default: ['glance-direct', 'web-download', 'copy-image'],
        description:
          'Import methods that clients may use. `web-download` is offered where a store reads the web; `glance-download` needs a region, see [import.md](import.md).'
      }
    ),
    stagingStore: Type.String({
      default: '',
      description:
        'Store that keeps staged data until its import; empty: the default store. An import into the same store moves no bytes.'
    }),
    stagingHours: Type.Number({
      default: 24,
      exclusiveMinimum: 0,
      maximum: 8760,
      description: 'How long staged data waits for its import. Then the image is queued again.'
    }),
    glanceDownload: remotesSection
  },
  { additionalProperties: false, default: {} }
)

const locations = Type.Object(
  {
    secureHashing: Type.Boolean({
      default: true,
      description:
        'Data at added locations is read and hashed. false: digests that the client gives are believed.'
    }),
    showMultiple: Type.Boolean({
      default: false,
      description:
        'Shows `locations` of images, the inner addresses of stores among them, and lets PATCH change them.'
    }),
    showDirectUrl: Type.Boolean({
      default: false,
      description: 'Shows `direct_url` of images: where the data lies in the heaviest store.'
    })
  },
  { additionalProperties: false, default: {} }
)

const signatures = Type.Object(
  {
    certificates: Type.Record(
      Type.String({ pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' }),
      Type.String({
        minLength: 1,
        description:
          'PEM file with the certificate that images name by the UUID NAME as their `img_signature_certificate_uuid`; see [signatures.md](signatures.md).'
      }),
      { default: {} }
    )
  },
  { additionalProperties: false, default: {} }
)

const policy = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  Type.String({
    maxLength: 4096,
    description: 'Who may do the action NAME, instead of the default; see [policy.md](policy.md).'
  }),
  { default: {} }
)

const right = (verb: string) =>
  Type.String({
    minLength: 1,
    maxLength: 4096,
    description: `Who may ${verb} it: roles with commas, '@', '!' or a rule.`
  })

const propertyProtections = Type.Array(
  Type.Object(
    {
      match: Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'Regular expression for the beginning of the names of properties.'
      }),
      create: right('create'),
      read: right('read'),
      update: right('update'),
      delete: right('delete')
    },
    { additionalProperties: false }
  ),
  {
    default: [],
    description:
      'Who may do what with custom properties; the first entry that matches decides, see [policy.md](policy.md). Empty: nothing is protected.'
  }
)

/** Configuration of the image service, section `api` of the file. */
export const apiConfigSchema = Type.Object(
  {
    publicEndpoint: Type.String({
      default: '',
      pattern: '^$|^https?://[^\\s]+$',
      description: 'Base of the links in the version document; empty: as the client asked.'
    }),
    apiV1: Type.Boolean({
      default: true,
      description:
        'Serves the Image API v1, too, for older clients; see [api-v1.md](api-v1.md). false: its paths answer with the list of versions.'
    }),
    identity,
    policy,
    propertyProtections,
    stores: Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }), store, {
      default: {},
      description: 'Stores by name.'
    }),
    defaultStore: Type.String({
      default: '',
      description: 'Store of uploads that name none; empty: the only or the first one.'
    }),
    imageSizeCap: Type.Integer({
      default: 1099511627776,
      minimum: 1,
      description: 'Most bytes of one image.'
    }),
    limits,
    osHashAlgo: Type.Union(
      [
        Type.Literal('sha256'),
        Type.Literal('sha512'),
        Type.Literal('sha384'),
        Type.Literal('sha1'),
        Type.Literal('md5')
      ],
      { default: 'sha256', description: 'Algorithm of os_hash_value of new data.' }
    ),
    md5: Type.Boolean({
      default: true,
      description: 'Fills in `checksum` (MD5), which older clients verify downloads with.'
    }),
    inspection: inspectionSection,
    transfers,
    jobs,
    imports,
    locations,
    cache: Type.Optional(cacheSection),
    signatures,
    trustedProxies: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'CIDR ranges whose X-Forwarded-For, -Proto, -Host and -Prefix headers are believed.'
    }),
    corsOrigins: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Origins whose pages may call the API, such as https://dashboard.example.org.'
    }),
    healthcheckDisableFile: Type.String({
      default: '',
      description: 'While this file exists, /healthcheck answers 503 and proxies send no requests.'
    }),
    collectSeconds: Type.Number({
      default: 5,
      minimum: 0.1,
      description: 'How often bytes that no image needs are deleted from the stores.'
    })
  },
  { additionalProperties: false }
)
export type ApiConfig = Static<typeof apiConfigSchema>

export { checkIdentity } from './identity/check-identity.ts'
