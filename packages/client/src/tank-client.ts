import type { ImageDocument } from '@tank/model'
import type { Dispatcher } from 'undici'
import type { Auth, TokenSource } from './auth/auth.ts'
import type { Cache } from './cache.ts'
import type {
  DownloadOptions,
  DownloadResult,
  DownloadTarget,
  ReadOptions
} from './download/request.ts'
import { HttpTankClient } from './http-tank-client.ts'
import type { ImageChanges, NewImage, PatchOperation } from './image-fields.ts'
import type { CallOptions } from './image-http.ts'
import type { ListFilter } from './image-list.ts'
import type { Members, Tags } from './image-parts.ts'
import type { Imports } from './imports.ts'
import type { Locations } from './locations.ts'
import type { ListOptions } from './pages.ts'
import type { Info, Stores } from './service-info.ts'
import type { Tasks } from './tasks.ts'
import type { UploadSource } from './upload/source.ts'
import type { StageOptions, UploadOptions } from './upload/upload.ts'

/** Where a service is, who asks, and how long for. */
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
  /**
   * Certificates of authorities to trust beside those that come with Node, PEM. With it
   * `NODE_EXTRA_CA_CERTS` does not count.
   */
  readonly ca?: string | undefined
  /** Certificate that the client shows a server that asks for one, PEM; needs `key`. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** undici dispatcher to use instead of an own pool, for a proxy or private certificates. */
  readonly dispatcher?: Dispatcher | undefined
  /**
   * For programs that make a few calls and end: small calls go by Node's own HTTP client, which starts
   * in a third of the time. Bytes of images go by undici all the same.
   */
  readonly light?: boolean | undefined
}

/** A version of the API that a server has. */
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
  /**
   * Makes the record of an image, without bytes (`queued`); these come by `upload` or `import`. After
   * a lost answer it is repeated safely, unless the caller chose the id.
   */
  create(image?: NewImage, options?: CallOptions): Promise<ImageDocument>
  /**
   * Sends the bytes of a queued image. Rejects with `CONFLICT` when it is not queued, `TOO_LARGE`,
   * `SIZE_MISMATCH` when a stream has other bytes than its `size` says, and `SOURCE_FAILED`.
   */
  upload(id: string, source: UploadSource, options?: UploadOptions): Promise<void>
  /** Sends the bytes of a queued image to where a `glance-direct` import takes them from. */
  stage(id: string, source: UploadSource, options?: StageOptions): Promise<void>
  /**
   * Writes the bytes to a file or stream, compared with size and digest of the image (S-25). Rejects
   * with `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `NO_DIGEST`, `NO_DATA` and `TARGET_FAILED`; then a file
   * bears its name as little as before.
   */
  download(id: string, to: DownloadTarget, options?: DownloadOptions): Promise<DownloadResult>
  /**
   * The bytes as they come. The loop throws in the end unless they have size and digest of the
   * image: only then may they be believed. Leaving the loop ends the download.
   */
  read(id: string, options?: ReadOptions): AsyncGenerator<Buffer, void, undefined>
  /** Rejects with a 404 for what is not there, and for what the caller may not see. */
  show(id: string, options?: CallOptions): Promise<ImageDocument>
  /** Every image that the filter lets through; pages are fetched as they are needed. */
  list(filter?: ListFilter, options?: ListOptions): AsyncGenerator<ImageDocument, void, undefined>
  /** The one image of that id or name. Rejects with `IMAGE_NOT_FOUND` or `AMBIGUOUS_NAME`. */
  find(nameOrId: string, options?: CallOptions): Promise<ImageDocument>
  /** Changes what is named and nothing else. */
  update(id: string, changes: ImageChanges, options?: CallOptions): Promise<ImageDocument>
  /** Applies a JSON patch, all of it or nothing. */
  patch(
    id: string,
    operations: readonly PatchOperation[],
    options?: CallOptions
  ): Promise<ImageDocument>
  /** Rejects with a 403 when the image is protected, a 409 when it is in use. */
  delete(id: string, options?: CallOptions): Promise<void>
  /** Forbids to read the bytes of an active image, to all but administrators. */
  deactivate(id: string, options?: CallOptions): Promise<void>
  /** Allows it again. */
  reactivate(id: string, options?: CallOptions): Promise<void>
  /** Versions of the API that the server has, the newest first; needs no token. */
  versions(options?: CallOptions): Promise<ApiVersion[]>
  /** Lets running calls end, then closes the sockets. */
  close(): Promise<void>
}

/** Makes a client; sockets are opened by the first call. */
export function createTankClient(options: TankClientOptions): TankClient {
  return new TankClient(options)
}

/** What `createTankClient` makes: for `new` and `instanceof`. */
export const TankClient: new (options: TankClientOptions) => TankClient = HttpTankClient
