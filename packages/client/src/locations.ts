import { type CallOptions, type ImageHttp, isRecord, readList, toRecord } from './image-http.ts'
import { imagePath } from './image-path.ts'
import { type ImportJob, toJob } from './imports.ts'

/** A place where data of an image lies. */
export interface ImageLocation {
  readonly url: string
  readonly metadata: Readonly<Record<string, unknown>>
}

/** A place where the data of an image is to be found. */
export interface NewLocation {
  readonly url: string
  /** Digest that the bytes there must have. */
  readonly digest?: { readonly algorithm: string; readonly value: string } | undefined
}

/** Places where the data of an image lies. */
export interface Locations {
  /** For services and administrators. */
  list(imageId: string, options?: CallOptions): Promise<ImageLocation[]>
  /** Makes an image of what lies there already; the job ends when the server has looked at it. */
  add(imageId: string, location: NewLocation, options?: CallOptions): Promise<ImportJob>
}

export function createLocations(http: ImageHttp): Locations {
  return {
    async list(imageId, options) {
      const path = imagePath(imageId, 'locations')
      const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
      return readList(answer).map(toLocation)
    },
    async add(imageId, { url, digest }, options) {
      const path = imagePath(imageId, 'locations')
      const proof = digest && { os_hash_algo: digest.algorithm, os_hash_value: digest.value }
      const body = { url, ...(proof && { validation_data: proof }) }
      const answer = await http.call({ method: 'POST', path, body, repeat: 'unsent', ...options })
      return toJob(http, imageId, answer)
    }
  }
}

function toLocation(value: unknown): ImageLocation {
  const { url, metadata } = toRecord(value, 'url', 'location')
  return { url: String(url), metadata: isRecord(metadata) ? metadata : {} }
}
