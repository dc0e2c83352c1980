import { Type } from 'typebox'
import { Value } from 'typebox/value'

/** An image service, as a catalogue of Keystone names it. */
export interface ImageEndpoint {
  readonly region: string
  /** `public`, `internal` or `admin`. */
  readonly interface: string
  readonly url: string
}

const catalog = Type.Array(
  Type.Object({
    type: Type.String(),
    endpoints: Type.Array(
      Type.Object({
        region_id: Type.Union([Type.String(), Type.Null()]),
        interface: Type.String(),
        url: Type.String()
      })
    )
  })
)

/** The image services of a catalogue (Identity API v3); none of what is no catalogue. */
export function imageEndpoints(given: unknown): readonly ImageEndpoint[] {
  if (!Value.Check(catalog, given)) return []
  return given
    .filter(({ type }) => type === 'image')
    .flatMap(({ endpoints }) =>
      endpoints.map(({ region_id: region, interface: name, url }) => ({
        region: region ?? '',
        interface: name,
        url
      }))
    )
}
