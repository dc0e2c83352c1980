import { randomUUID } from 'node:crypto'
import type { Writable } from 'node:stream'
import { type ImageDocument, isUuid } from '@tank/model'
import type { Dispatcher } from 'undici'
import { type Auth, type TokenSource, tokenAuth } from './auth/auth.ts'
import { type Cache, createCache } from './cache.ts'
import type { DownloadJob, DownloadOptions, DownloadResult } from './download/request.ts'
import { downloadToFile } from './download/to-file.ts'
import { downloadToStream } from './download/to-stream.ts'
import { isTankClientError, TankClientError } from './errors.ts'
import {
  type ImageChanges,
  type NewImage,
  type PatchOperation,
  readImage,
  toCreateBody,
  toPatch
} from './image-fields.ts'
import {
  type CallOptions,
  createImageHttp,
  type ImageHttp,
  isRecord,
  readList
} from './image-http.ts'
import { type ListFilter, listImages } from './image-list.ts'
import { createMembers, createTags, type Members, type Tags } from './image-parts.ts'
import { imagePath } from './image-path.ts'
import { createImports, type Imports } from './imports.ts'
import { createLocations, type Locations } from './locations.ts'
import type { ListOptions } from './pages.ts'
import { createInfo, createStores, type Info, type Stores } from './service-info.ts'
import { createTasks, type Tasks } from './tasks.ts'
import { openTransport } from './transport.ts'
import { type TransferTimes, type UploadOptions, type UploadSource, upload } from './upload.ts'

export interface TankClientOptions {
  /** Where the service is, with or without `/v2`: `http://127.0.0.1:9292`. */
  readonly url: string
  /** Sent as `X-Auth-Token`. A function is called before each request. */
  readonly token?: TokenSource | undefined
  /** Where tokens come from, instead of `token`. */
  readonly auth?: Auth | undefined
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Longest time for one small request, 30,000 unless told. */
  readonly timeoutMs?: number | undefined
  /** Longest time without a byte in an upload or download, 60,000 unless told. */
  readonly idleTimeoutMs?: number | undefined
  /** Longest time from the last byte of an upload to its answer, 300,000 unless told. */
  readonly answerTimeoutMs?: number | undefined
  /** Further tries of what can be tried again without harm, 3 unless told. */
  readonly retries?: number | undefined
  /** First pause before another try; it doubles. 200 unless told. */
  readonly retryDelayMs?: number | undefined
  /** Most sockets that are open at once, 16 unless told. */
  readonly connections?: number | undefined
  /** Certificates of authorities to trust beside those that Node trusts, PEM. */
  readonly ca?: string | undefined
  /** undici dispatcher to use instead of an own pool, for a proxy or private certificates. */
  readonly dispatcher?: Dispatcher | undefined
}

export interface ApiVersion {
  /** `v2.17` */
  readonly id: string
  /** `CURRENT`, `SUPPORTED`, … */
  readonly status: string
}

/**
 * Client of an image service that speaks the Image API v2. Every call rejects with a
 * `TankClientError`, or with the reason of its signal.
 */
export interface TankClient extends Imports {
  readonly tags: Tags
  readonly members: Members
  readonly tasks: Tasks
  readonly stores: Stores
  readonly info: Info
  readonly locations: Locations
  readonly cache: Cache
  /** Makes the record of an image; its bytes come by `upload`. */
  create(image?: NewImage, options?: CallOptions): Promise<ImageDocument>
  /** Sends the bytes of a queued image. */
  upload(id: string, source: UploadSource, options?: UploadOptions): Promise<void>
  /** Sends the bytes of a queued image to where a `glance-direct` import takes them from. */
  stage(id: string, source: UploadSource, options?: Omit<UploadOptions, 'store'>): Promise<void>
  /** Writes the bytes to a file or stream, compared with size and digest of the image. */
  download(id: string, to: string | Writable, options?: DownloadOptions): Promise<DownloadResult>
  show(id: string, options?: CallOptions): Promise<ImageDocument>
  /** Every image that the filter lets through; pages are fetched as they are needed. */
  list(filter?: ListFilter, options?: ListOptions): AsyncGenerator<ImageDocument, void, undefined>
  /** The one image of that id or name. */
  find(nameOrId: string, options?: CallOptions): Promise<ImageDocument>
  /** Changes what is named and nothing else. */
  update(id: string, changes: ImageChanges, options?: CallOptions): Promise<ImageDocument>
  /** Applies a JSON patch, all of it or nothing. */
  patch(
    id: string,
    operations: readonly PatchOperation[],
    options?: CallOptions
  ): Promise<ImageDocument>
  delete(id: string, options?: CallOptions): Promise<void>
  deactivate(id: string, options?: CallOptions): Promise<void>
  reactivate(id: string, options?: CallOptions): Promise<void>
  versions(options?: CallOptions): Promise<ApiVersion[]>
  /** Lets running calls end, then closes the sockets. */
  close(): Promise<void>
}

/** Makes a client; sockets are opened by the first call. */
export function createTankClient(options: TankClientOptions): TankClient {
  const url = options.url.replace(/\/+$/, '').replace(/\/v2(\.\d+)?$/, '')
  const { connections, ca, dispatcher } = options
  const http = createImageHttp(openTransport({ url, connections, ca, dispatcher }), {
    auth: options.auth ?? (options.token === undefined ? undefined : tokenAuth(options.token)),
    headers: options.headers ?? {},
    timeoutMs: options.timeoutMs ?? 30_000,
    retries: options.retries ?? 3,
    retryDelayMs: options.retryDelayMs ?? 200
  })
  const times = {
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    answerTimeoutMs: options.answerTimeoutMs ?? 300_000
  }
  return Object.assign(new HttpTankClient(http, times), createImports(http))
}

const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch'

class HttpTankClient implements Omit<TankClient, keyof Imports> {
  readonly tags: Tags
  readonly members: Members
  readonly tasks: Tasks
  readonly stores: Stores
  readonly info: Info
  readonly locations: Locations
  readonly cache: Cache
  readonly #http: ImageHttp
  readonly #times: TransferTimes

  constructor(http: ImageHttp, times: TransferTimes) {
    this.#http = http
    this.#times = times
    this.tags = createTags(http)
    this.members = createMembers(http)
    this.tasks = createTasks(http)
    this.stores = createStores(http)
    this.info = createInfo(http)
    this.locations = createLocations(http)
    this.cache = createCache(http)
  }

  async create(image: NewImage = {}, options: CallOptions = {}): Promise<ImageDocument> {
    // With an id of our own a creation whose answer was lost can be told from someone else's.
    const id = image.id ?? randomUUID()
    const body = toCreateBody(image, id)
    const own = image.id === undefined
    const answer = await this.#http.call({
      method: 'POST',
      path: '/v2/images',
      body,
      repeat: own ? 'always' : 'unsent',
      doneWhenRepeated: own ? 409 : undefined,
      ...options
    })
    return answer.status === 409 ? this.show(id, options) : readImage(answer)
  }

  upload(id: string, source: UploadSource, options: UploadOptions = {}): Promise<void> {
    return upload(this.#http, imagePath(id, 'file'), source, this.#times, options)
  }

  stage(id: string, source: UploadSource, options: UploadOptions = {}): Promise<void> {
    return upload(this.#http, imagePath(id, 'stage'), source, this.#times, options)
  }

  download(
    id: string,
    to: string | Writable,
    options: DownloadOptions = {}
  ): Promise<DownloadResult> {
    const job: DownloadJob = {
      http: this.#http,
      path: imagePath(id, 'file'),
      show: () => this.show(id, { signal: options.signal }),
      times: this.#times,
      options
    }
    return typeof to === 'string' ? downloadToFile(job, to) : downloadToStream(job, to)
  }

  async show(id: string, options: CallOptions = {}): Promise<ImageDocument> {
    const path = imagePath(id)
    return readImage(await this.#http.call({ method: 'GET', path, repeat: 'always', ...options }))
  }

  list(filter: ListFilter = {}, options: ListOptions = {}) {
    return listImages(this.#http, filter, options)
  }

  async find(nameOrId: string, options: CallOptions = {}): Promise<ImageDocument> {
    if (isUuid(nameOrId)) {
      try {
        return await this.show(nameOrId, options)
      } catch (error) {
        if (!isTankClientError(error) || error.status !== 404) throw error
      }
    }
    // A plain value is cut at its first colon, in search of an operator.
    const name = nameOrId.includes(':') ? `eq:${nameOrId}` : nameOrId
    const found: ImageDocument[] = []
    for await (const image of this.list({ name }, options)) {
      found.push(image)
      if (found.length > 1) throw ambiguous(nameOrId, found)
    }
    const [only] = found
    if (only === undefined) {
      throw new TankClientError('IMAGE_NOT_FOUND', `no image has the name or id ${nameOrId}`)
    }
    return only
  }

  update(id: string, changes: ImageChanges, options: CallOptions = {}): Promise<ImageDocument> {
    return this.patch(id, toPatch(changes), options)
  }

  async patch(
    id: string,
    operations: readonly PatchOperation[],
    options: CallOptions = {}
  ): Promise<ImageDocument> {
    const answer = await this.#http.call({
      method: 'PATCH',
      path: imagePath(id),
      body: operations,
      contentType: PATCH_TYPE,
      repeat: 'unsent',
      ...options
    })
    return readImage(answer)
  }

  async delete(id: string, options: CallOptions = {}): Promise<void> {
    const path = imagePath(id)
    await this.#http.call({
      method: 'DELETE',
      path,
      repeat: 'always',
      doneWhenRepeated: 404,
      ...options
    })
  }

  deactivate(id: string, options: CallOptions = {}): Promise<void> {
    return this.#act(id, 'deactivate', options)
  }

  reactivate(id: string, options: CallOptions = {}): Promise<void> {
    return this.#act(id, 'reactivate', options)
  }

  async versions(options: CallOptions = {}): Promise<ApiVersion[]> {
    const answer = await this.#http.call({
      method: 'GET',
      path: '/',
      repeat: 'always',
      accept: [300],
      ...options
    })
    return readList(answer, 'versions').map((entry) => {
      const { id, status } = isRecord(entry) ? entry : {}
      return { id: String(id), status: String(status) }
    })
  }

  close(): Promise<void> {
    return this.#http.transport.close()
  }

  async #act(id: string, action: string, options: CallOptions): Promise<void> {
    const path = imagePath(id, 'actions', action)
    await this.#http.call({ method: 'POST', path, repeat: 'always', ...options })
  }
}

function ambiguous(name: string, found: readonly ImageDocument[]): TankClientError {
  const ids = found.map((image) => image.id).join(', ')
  return new TankClientError('AMBIGUOUS_NAME', `several images bear the name ${name}: ${ids}, …`)
}
