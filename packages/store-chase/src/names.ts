import { isKey } from '@tank/store'

/** An object of ours in the container. */
export interface ParsedName {
  readonly key: string
  /** False: a segment, or a list of segments. */
  readonly isImage: boolean
}

const SEGMENTS = '.segments/'

/**
 * How objects are named. An image is `<prefix><key>`. One that was sent in segments is a manifest at
 * that name, and its segments are `<prefix><key>.segments/<id of the put>/<number>`: each put has
 * names of its own, so that two of them cannot mix, and all of them are found from the key.
 */
export class Names {
  readonly container: string
  readonly #prefix: string

  constructor(container: string, prefix: string) {
    this.container = container
    this.#prefix = prefix
  }

  get all(): string {
    return this.#prefix
  }

  image(key: string): string {
    return `${this.#prefix}${key}`
  }

  /** What the names of all segments of a key begin with, whichever put made them. */
  segments(key: string): string {
    return `${this.#prefix}${key}${SEGMENTS}`
  }

  /** What the names of all segments of one put begin with. */
  segmentsOf(key: string, put: string): string {
    return `${this.segments(key)}${put}/`
  }

  parse(name: string): ParsedName | undefined {
    if (!name.startsWith(this.#prefix)) return undefined
    const own = name.slice(this.#prefix.length)
    const end = own.indexOf(SEGMENTS)
    const key = end < 0 ? own : own.slice(0, end)
    return isKey(key) ? { key, isImage: end < 0 } : undefined
  }

  containerPath(): string {
    return `/${encodeURIComponent(this.container)}`
  }

  /** Path of an object in a URL. */
  path(name: string): string {
    return `${this.containerPath()}/${name.split('/').map(encodeURIComponent).join('/')}`
  }

  /** Path of an object in a manifest, where nothing is encoded. */
  plainPath(name: string): string {
    return `/${this.container}/${name}`
  }

  /** The name of an object from its path in a manifest; undefined when it is not in our container. */
  fromPlainPath(path: string): string | undefined {
    const start = `/${this.container}/`
    return path.startsWith(start) ? path.slice(start.length) : undefined
  }
}

/** Eight digits, so that the order of names is the order of segments. */
export function segmentNumber(index: number): string {
  return String(index + 1).padStart(8, '0')
}
