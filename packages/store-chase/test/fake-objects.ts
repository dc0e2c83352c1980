import { createHash } from 'node:crypto'

interface FakeEntry {
  readonly name: string
  readonly bytes: number
  readonly hash: string
}

export interface FakeObject {
  /** The bytes, or of a manifest its text. */
  readonly bytes: Buffer
  readonly etag: string
  readonly manifest: readonly FakeEntry[] | undefined
  readonly put: string | undefined
  readonly modified: Date
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** The objects of one container, by name. */
export class FakeObjects {
  readonly #objects = new Map<string, FakeObject>()
  readonly #container: string
  /** As the RADOS Gateway: manifests do not nest, and are not shown. */
  readonly #isGateway: boolean

  constructor(container: string, isGateway: boolean) {
    this.#container = container
    this.#isGateway = isGateway
  }

  names(): string[] {
    return [...this.#objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  get(name: string): FakeObject | undefined {
    return this.#objects.get(name)
  }

  delete(name: string): boolean {
    return this.#objects.delete(name)
  }

  put(name: string, bytes: Buffer, put: string | undefined): FakeObject {
    const object = { bytes, etag: md5(bytes), manifest: undefined, put, modified: new Date() }
    this.#objects.set(name, object)
    return object
  }

  /** Undefined when a segment is not what the manifest says. */
  putManifest(name: string, text: Buffer, put: string | undefined): FakeObject | undefined {
    const wanted: { path: string; etag: string; size_bytes: number }[] = JSON.parse(`${text}`)
    const entries: FakeEntry[] = []
    for (const { path, etag, size_bytes: size } of wanted) {
      const segment = this.#at(path)
      if (segment === undefined || this.size(segment) !== size) return undefined
      if (segment.manifest !== undefined && this.#isGateway) return undefined
      if (segment.etag !== etag && !this.#isGateway) return undefined
      entries.push({ name: path, bytes: size, hash: segment.etag })
    }
    const etag = md5(entries.map(({ hash }) => hash).join(''))
    const object = { bytes: text, etag, manifest: entries, put, modified: new Date() }
    this.#objects.set(name, object)
    return object
  }

  size({ manifest, bytes }: FakeObject): number {
    return manifest === undefined
      ? bytes.length
      : manifest.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The bytes of an image up to the first segment that is missing. */
  content({ manifest, bytes }: FakeObject): Buffer {
    if (manifest === undefined) return bytes
    const parts: Buffer[] = []
    for (const { name } of manifest) {
      const segment = this.#at(name)
      if (segment === undefined) break
      parts.push(this.content(segment))
    }
    return Buffer.concat(parts)
  }

  shown(object: FakeObject): string {
    if (this.#isGateway) return ''
    const isList = (name: string) => this.#at(name)?.manifest !== undefined
    const entries = object.manifest?.map((entry) => {
      return isList(entry.name) ? { ...entry, sub_slo: true } : entry
    })
    return JSON.stringify(entries)
  }

  list(prefix: string, marker: string, limit: number): object[] {
    const after = this.names().filter((name) => name.startsWith(prefix) && name > marker)
    return after.slice(0, limit).map((name) => {
      const object = this.#objects.get(name)
      const stamp = object?.modified.toISOString().slice(0, -1)
      const common = { name, last_modified: this.#isGateway ? `${stamp}Z` : stamp }
      if (object?.manifest === undefined) {
        return { ...common, bytes: object?.bytes.length, hash: object?.etag }
      }
      if (this.#isGateway) return { ...common, bytes: object.bytes.length, hash: md5('') }
      const slo = { slo_etag: `"${object.etag}"`, hash: md5(object.bytes) }
      return { ...common, bytes: this.size(object), ...slo }
    })
  }

  #at(path: string): FakeObject | undefined {
    const start = `/${this.#container}/`
    return path.startsWith(start) ? this.#objects.get(path.slice(start.length)) : undefined
  }
}
