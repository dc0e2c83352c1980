import type { CallOptions, StoredEntry } from '@tank/store'
import type { Container, ListedObject } from './container.ts'

const NO_BYTES = 'd41d8cd98f00b204e9800998ecf8427e'

interface Entry {
  readonly key: string
  size: number
  modified: Date | undefined
  complete: boolean
}

/**
 * Every key of the container once, with its segments. Names come in the order of their bytes, and
 * between an image and its segments there can only be keys that begin with its key and a hyphen:
 * so a few entries wait, and memory stays the same whatever the container holds.
 */
export async function* listImages(
  container: Container,
  options: CallOptions
): AsyncGenerator<StoredEntry> {
  const waiting: Entry[] = []
  for await (const object of container.list(container.names.all, options)) {
    const parsed = container.names.parse(object.name)
    if (parsed === undefined) continue
    const { key, isImage } = parsed
    for (let last = waiting.at(-1); last !== undefined; last = waiting.at(-1)) {
      if (key === last.key || key.startsWith(`${last.key}-`)) break
      yield last
      waiting.pop()
    }
    if (waiting.at(-1)?.key !== key) {
      waiting.push({ key, size: 0, modified: undefined, complete: false })
    }
    const entry = waiting.at(-1)
    if (entry !== undefined) add(entry, object, isImage)
  }
  while (waiting.length > 0) {
    const last = waiting.pop()
    if (last !== undefined) yield last
  }
}

function add(entry: Entry, object: ListedObject, isImage: boolean): void {
  entry.size += isManifest(object) ? 0 : object.bytes
  entry.complete ||= isImage
  const modified = time(object.last_modified)
  if (modified !== undefined && (entry.modified === undefined || modified > entry.modified)) {
    entry.modified = modified
  }
}

/** Manifests hold no bytes of their own: Swift marks them, other servers list them as empty. */
function isManifest({ slo_etag: etag, hash, bytes }: ListedObject): boolean {
  return etag !== undefined || (hash === NO_BYTES && bytes > 0)
}

/** Swift leaves out that its times are UTC. */
function time(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(date.getTime()) ? undefined : date
}
