import { BASE_ATTRIBUTES } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import type { PropertyProtections } from '../policy/property-protections.ts'

const COLUMNS = [
  ...['id', 'name', 'status', 'visibility', 'owner', 'checksum', 'os_hash_algo', 'os_hash_value'],
  ...['container_format', 'disk_format', 'protected', 'os_hidden', 'created_at', 'updated_at'],
  ...['size', 'virtual_size', 'min_ram', 'min_disk']
]

/** Parameters of a list that are no filters on custom properties (L1–L16). */
const PARAMETERS: ReadonlySet<string> = new Set([
  ...BASE_ATTRIBUTES,
  ...COLUMNS.flatMap((name) => [`${name}_min`, `${name}_max`]),
  ...['limit', 'marker', 'member_status', 'tag', 'sort', 'sort_key', 'sort_dir'],
  ...['changes-since', 'deleted']
])

type Readable = (name: string) => boolean

/** Answers for one request, each name decided once. */
function readableBy(protections: PropertyProtections, caller: Caller): Readable {
  const known = new Map<string, boolean>()
  return (name) => {
    const before = known.get(name)
    if (before !== undefined) return before
    const answer = protections.may(caller, 'read', name)
    known.set(name, answer)
    return answer
  }
}

function withoutHidden(document: Record<string, unknown>, readable: Readable): void {
  for (const name of Object.keys(document)) if (!readable(name)) delete document[name]
}

/**
 * The JSON of an image, or of an array of images, without the properties that the caller may not
 * read (PP3). Without protections it is passed on as it came.
 */
export function shownTo(caller: Caller, protections: PropertyProtections, body: Buffer): Buffer {
  if (!protections.isOn) return body
  const readable = readableBy(protections, caller)
  const parsed = JSON.parse(body.toString())
  for (const document of [parsed].flat()) withoutHidden(document, readable)
  return Buffer.from(JSON.stringify(parsed))
}

/**
 * The query of a list as the registry gets it. A filter on a property that the caller may not read
 * finds nothing: the query then asks for no rows, and so takes the same time whatever is stored.
 */
export function askedBy(caller: Caller, protections: PropertyProtections, query: string): string {
  if (!protections.isOn) return query
  const readable = readableBy(protections, caller)
  // the `&` keeps a leading `?` part of the first name, as the registry reads it
  for (const name of new URLSearchParams(`&${query}`).keys()) {
    if (!PARAMETERS.has(name) && !readable(name)) return `${query}&limit=0`
  }
  return query
}
