import { randomUUID } from 'node:crypto'
import { type ImageDocument, isUuid } from '@tank/model'
import { tokenAuth } from './auth/auth.ts'
import { type Cache, createCache } from './cache.ts'
import type {
  DownloadJob,
  DownloadOptions,
  DownloadResult,
  DownloadTarget,
  ReadOptions
} from './download/request.ts'
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
  REMOVAL,
  readList
} from './image-http.ts'
import { type ListFilter, listImages } from './image-list.ts'
import { createMembers, createTags, type Members, type Tags } from './image-parts.ts'
import { imagePath } from './image-path.ts'
import { createImports, type ImportJob, type ImportRequest, type Imports } from './imports.ts'
import { createLocations, type Locations } from './locations.ts'
import type { ListOptions } from './pages.ts'
import { createInfo, createStores, type Info, type Stores } from './service-info.ts'
import type { ApiVersion, TankClient, TankClientOptions } from './tank-client.ts'
import { createTasks, type Tasks } from './tasks.ts'
import { CONNECTIONS, openTransport } from './transport.ts'
import type { TransferTimes } from './upload/send-body.ts'
import type { UploadSource } from './upload/source.ts'
import { type StageOptions, type UploadOptions, upload } from './upload/upload.ts'

const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch'

/** The client over its transport. */
export class HttpTankClient implements TankClient {
  readonly tags: Tags
  readonly members: Members
  readonly tasks: Tasks
  readonly stores: Stores
  readonly info: Info
  readonly locations: Locations
  readonly cache: Cache
  readonly #http: ImageHttp
  readonly #imports: Imports
  readonly #times: TransferTimes
  readonly #connections: number

  constructor(options: TankClientOptions) {
    const url = options.url.replace(/\/+$/, '').replace(/\/v2(\.\d+)?$/, '')
    const { connections, ca, cert, key, dispatcher, light } = options
    const transport = openTransport({ url, connections, ca, cert, key, dispatcher, light })
    const http = createImageHttp(transport, {
      auth: options.auth ?? (options.token === undefined ? undefined : tokenAuth(options.token)),
      headers: options.headers ?? {},
      timeoutMs: options.timeoutMs ?? 30_000,
      retries: options.retries ?? 3,
      retryDelayMs: options.retryDelayMs ?? 200
    })
    this.#http = http
    this.#connections = connections ?? CONNECTIONS
    this.#times = {
      idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
      answerTimeoutMs: options.answerTimeoutMs ?? 300_000
    }
    this.#imports = createImports(http)
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

  async upload(id: string, source: UploadSource, options: UploadOptions = {}): Promise<void> {
    const path = imagePath(id, 'file')
    const proof = await upload(this.#http, path, source, this.#times, options)
    if (options.verify) proof.compare(await this.show(id, { signal: options.signal }))
  }

  async stage(id: string, source: UploadSource, options: StageOptions = {}): Promise<void> {
    await upload(this.#http, imagePath(id, 'stage'), source, this.#times, options)
  }

  // what downloads need is loaded by the first one: most programs never make any
  async download(
    id: string,
    to: DownloadTarget,
    options: DownloadOptions = {}
  ): Promise<DownloadResult> {
    const { downloadTo } = await import('./download/download-to.ts')
    return await downloadTo(this.#job(id, options), to)
  }

  async *read(id: string, options: ReadOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    const { readBytes } = await import('./download/read-bytes.ts')
    yield* readBytes(this.#job(id, options))
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
    await this.#http.call({ method: 'DELETE', path, ...REMOVAL, ...options })
  }

  deactivate(id: string, options: CallOptions = {}): Promise<void> {
    return this.#act(id, 'deactivate', options)
  }

  reactivate(id: string, options: CallOptions = {}): Promise<void> {
    return this.#act(id, 'reactivate', options)
  }

  import(id: string, request: ImportRequest, options?: CallOptions): Promise<ImportJob> {
    return this.#imports.import(id, request, options)
  }

  copyTo(id: string, stores: readonly string[] | 'all', options?: CallOptions): Promise<ImportJob> {
    return this.#imports.copyTo(id, stores, options)
  }

  waitFor(id: string, options?: Parameters<Imports['waitFor']>[1]): Promise<ImageDocument> {
    return this.#imports.waitFor(id, options)
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

  #job(id: string, options: DownloadOptions): DownloadJob {
    return {
      http: this.#http,
      path: imagePath(id, 'file'),
      show: () => this.show(id, { signal: options.signal }),
      times: this.#times,
      connections: this.#connections,
      options
    }
  }

  async #act(id: string, action: string, options: CallOptions): Promise<void> {
    const path = imagePath(id, 'actions', action)
    await this.#http.call({ method: 'POST', path, repeat: 'always', ...options })
  }
}

function ambiguous(name: string, found: readonly ImageDocument[]): TankClientError {
  const ids = found.map((image) => image.id).join(', ')
  return new TankClientError(
    'AMBIGUOUS_NAME',
    `several images bear the name ${name}: ${ids}, … Use an id.`
  )
}
