import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type Answer, type Download, download, request } from './http.ts'
import { until } from './wait.ts'

/** The part of an image document that the tests look at. */
export interface ImageDocument {
  readonly id: string
  readonly name: string | null
  readonly status: string
  readonly size: number | null
  readonly checksum: string | null
  readonly os_hash_value: string | null
  readonly visibility: string
  readonly tags: readonly string[]
  readonly [property: string]: unknown
}

export interface UploadOptions {
  /** Content-Length; without it the body goes in chunks. */
  readonly length?: number
  readonly signal?: AbortSignal
  /** Name of the store that takes it. */
  readonly store?: string
}

/** The Image API v2 as a few plain calls. */
export class Images {
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  call(method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> {
    return request(`${this.#base}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': type }, body: JSON.stringify(body) })
    })
  }

  async create(fields: object = {}): Promise<ImageDocument> {
    const answer = await this.call('POST', '/v2/images', {
      name: `e2e-${randomUUID()}`,
      disk_format: 'raw',
      container_format: 'bare',
      ...fields
    })
    if (answer.status !== 201) throw new Error(`create: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body.toString())
  }

  async show(id: string): Promise<ImageDocument> {
    const answer = await this.call('GET', `/v2/images/${id}`)
    if (answer.status !== 200) throw new Error(`show: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body.toString())
  }

  patch(id: string, changes: readonly object[]): Promise<Answer> {
    return this.call(
      'PATCH',
      `/v2/images/${id}`,
      changes,
      'application/openstack-images-v2.1-json-patch'
    )
  }

  delete(id: string): Promise<Answer> {
    return this.call('DELETE', `/v2/images/${id}`)
  }

  upload(id: string, body: Readable | Buffer, options: UploadOptions = {}): Promise<Answer> {
    const { length, signal, store } = options
    return request(`${this.#base}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/octet-stream',
        ...(length === undefined ? {} : { 'content-length': length }),
        ...(store === undefined ? {} : { 'x-image-meta-store': store })
      },
      body,
      ...(signal === undefined ? {} : { signal })
    })
  }

  download(id: string): Promise<Download> {
    return download(`${this.#base}/v2/images/${id}/file`)
  }

  /** Waits for a status, also over restarts of the server. */
  waitFor(id: string, status: string, ms: number): Promise<ImageDocument> {
    let seen = 'nothing'
    return until(`image ${id} is ${status}`, ms, async () => {
      const image = await this.show(id)
      seen = image.status
      return seen === status ? image : undefined
    }).catch((error: unknown) => {
      throw new Error(`image ${id} should be ${status}, last seen ${seen}`, { cause: error })
    })
  }
}
