import { type Static, Type } from 'typebox'

const GiB = 1024 ** 3

const seconds = (fallback: number, maximum: number, description: string) =>
  Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum, default: fallback, description }))

const hosts = (description: string) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1 }), { default: [], description }))

export const httpStoreOptions = Type.Object(
  {
    allowHttp: Type.Optional(
      Type.Boolean({ default: false, description: 'Read http locations too, not only https.' })
    ),
    ports: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
        default: [],
        description: 'Ports that may be read from, beside 80 and 443.'
      })
    ),
    allow: hosts(
      'Host names, addresses and ranges (`10.1.0.0/16`) that need not have public addresses.'
    ),
    denyHosts: hosts(
      'Host names, addresses and ranges that are never read from: where Tank and its stores are.'
    ),
    caFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'File of PEM certificates to trust beside those that come with Node.'
      })
    ),
    maxBytes: Type.Optional(
      Type.Integer({ minimum: 1, default: 1024 * GiB, description: 'Size of the largest image.' })
    ),
    openSeconds: seconds(
      10,
      300,
      'Time until an image begins to come; also how long each failure takes.'
    ),
    stallSeconds: seconds(30, 3600, 'Longest wait for the next byte.'),
    minBytesPerSecond: Type.Optional(
      Type.Integer({
        minimum: 0,
        default: 65_536,
        description: 'What must come on average over `stallSeconds` in which somebody waited.'
      })
    ),
    skipSeconds: seconds(
      300,
      86_400,
      'Time to read over what lies before a range, from an origin that sends whole images only.'
    ),
    totalSeconds: seconds(86_400, 2_000_000, 'Time for a whole transfer.')
  },
  { additionalProperties: false }
)

export type HttpStoreOptions = Static<typeof httpStoreOptions>
