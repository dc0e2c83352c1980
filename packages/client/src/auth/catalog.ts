import { TankClientError } from '../errors.ts'
import { isRecord } from '../image-http.ts'
import type { EndpointChoice } from './auth.ts'

interface Endpoint {
  readonly url: string
  readonly region: string
  readonly interface: string
}

/** The one URL of the image service that a catalogue has for a choice (Identity API v3). */
export function chooseEndpoint(catalog: unknown, choice: EndpointChoice): string {
  const wanted = choice.interface ?? 'public'
  const found = imageEndpoints(catalog).filter(
    (each) =>
      each.interface === wanted && (choice.region === undefined || each.region === choice.region)
  )
  const [first] = found
  const place = choice.region === undefined ? '' : ` in region ${choice.region}`
  if (first === undefined) {
    const text = `the catalogue has no ${wanted} endpoint of an image service${place}`
    throw new TankClientError('NO_ENDPOINT', text)
  }
  if (found.some(({ url }) => url !== first.url)) {
    const regions = [...new Set(found.map(({ region }) => region))].join(', ')
    const text = `the catalogue has several image services (regions ${regions}): name one region`
    throw new TankClientError('AMBIGUOUS_ENDPOINT', text)
  }
  return first.url
}

function imageEndpoints(catalog: unknown): Endpoint[] {
  if (!Array.isArray(catalog)) return []
  return catalog
    .filter((service) => isRecord(service) && service.type === 'image')
    .flatMap((service) => (Array.isArray(service.endpoints) ? service.endpoints : []))
    .filter(isRecord)
    .map((each) => ({
      url: String(each.url),
      region: String(each.region_id ?? each.region ?? ''),
      interface: String(each.interface)
    }))
}
