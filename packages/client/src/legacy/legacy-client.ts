import type { Readable } from 'node:stream'
import { toHeaderBytes } from '@tank/model'
import { createVerifier } from '../digest.ts'
import { TankClientError } from '../errors.ts'
import {
  type CallOptions,
  isRecord,
  REMOVAL,
  readList,
  readObject,
  toRecord
} from '../image-http.ts'
import { takeSource } from '../upload/source.ts'
import { bodyFailed, createLegacyHttp, type LegacyBody, type LegacyHttp } from './legacy-http.ts'
import {
  type LegacyBrief,
  type LegacyFields,
  type LegacyImage,
  metaFromHeaders,
  metaToHeaders
} from './meta.ts'
import { authOf, baseOf, type LegacyClientOptions, tlsOf } from './options.ts'
import type {
  LegacyCachedImage,
  LegacyData,
  LegacyFeatures,
  LegacyList,
  LegacyMember,
  LegacySharedImage
} from './types.ts'

/**
 * The classic client, of the Image API v1. Every call rejects with a `TankClientError`, whose
 * `classicName(error)` is the name that the classic client has for it, or with the reason of its
 * signal. Use `createTankClient` for everything new.
 */
export class LegacyClient {
  readonly #http: LegacyHttp
  /** Bodies that nobody has begun to read. */
  readonly #open = new Set<Readable>()
  readonly #idleTimeoutMs: number

  /** Throws `MISCONFIGURED` or `TLS_FILES`; sockets are opened by the first call. */
  constructor(options: LegacyClientOptions) {
    const tls = tlsOf(options)
    const auth = authOf(options, tls.ca)
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 60_000
    this.#http = createLegacyHttp({
      base: baseOf(options, auth),
      tls,
      http: {
        auth,
        headers: options.headers ?? {},
        timeoutMs: options.timeoutMs ?? 30_000,
        retries: options.retries ?? 3,
        retryDelayMs: options.retryDelayMs ?? 200
      },
      times: {
        idleTimeoutMs: this.#idleTimeoutMs,
        answerTimeoutMs: options.answerTimeoutMs ?? 300_000
      }
    })
  }

  /** One page of images, as short entries. */
  async getImages(list: LegacyList = {}, options: CallOptions = {}): Promise<LegacyBrief[]> {
    return (await this.#list(`/images${toQuery(list)}`, 'images', options)).map(toImage)
  }

  /** One page of images, with all that is known of each. */
  async getImagesDetailed(
    list: LegacyList = {},
    options: CallOptions = {}
  ): Promise<LegacyImage[]> {
    return (await this.#list(`/images/detail${toQuery(list)}`, 'images', options)).map(toImage)
  }

  /**
   * The record of an image and its bytes as they come. Reading rejects with `SIZE_MISMATCH` or
   * `DIGEST_MISMATCH` in the end when they are not those of the image. Read them, or `close()`: they
   * keep a socket until nothing has been read for `idleTimeoutMs`.
   */
  async getImage(
    id: string,
    options: CallOptions = {}
  ): Promise<[meta: LegacyImage, data: AsyncGenerator<Buffer, void, undefined>]> {
    const answer = await this.#http.open(imagePath(id), options.signal)
    const { body } = answer
    this.#open.add(body)
    const ms = this.#idleTimeoutMs
    const late = setTimeout(() => {
      body.destroy(new TankClientError('TIMEOUT', `nothing has moved for ${ms} ms`))
    }, ms)
    body.once('close', () => {
      this.#open.delete(body)
      clearTimeout(late)
    })
    const onRead = () => void late.refresh()
    try {
      const meta = toImage(metaFromHeaders(answer.headers))
      return [meta, this.#read(answer, onRead, options.signal)]
    } catch (error) {
      answer.body.destroy()
      throw error
    }
  }

  /** The record of an image. */
  async getImageMeta(id: string, options: CallOptions = {}): Promise<LegacyImage> {
    const answer = await this.#http.call({
      method: 'HEAD',
      path: imagePath(id),
      repeat: 'always',
      ...options
    })
    return toImage(metaFromHeaders(answer.headers))
  }

  /** Makes an image: with its bytes, with where they are (`location`, `features`), or without. */
  addImage(
    meta: LegacyFields,
    data?: LegacyData | null,
    features?: LegacyFeatures | null,
    options: CallOptions = {}
  ): Promise<LegacyImage> {
    return this.#write('POST', '/images', meta, data, features, options)
  }

  /**
   * Changes what is named, and sends the bytes of a queued image. Without bytes the properties are
   * replaced as a whole, unless `x-tank-registry-purge-props: false` is among the features.
   */
  updateImage(
    id: string,
    meta: LegacyFields = {},
    data?: LegacyData | null,
    features?: LegacyFeatures | null,
    options: CallOptions = {}
  ): Promise<LegacyImage> {
    return this.#write('PUT', imagePath(id), meta, data, features, options)
  }

  /** Rejects with `FORBIDDEN` when the image is protected, or is somebody else's and public. */
  deleteImage(id: string, options?: CallOptions): Promise<true> {
    return this.#done('DELETE', imagePath(id), options)
  }

  /** Projects that an image is shared with. */
  async getImageMembers(id: string, options: CallOptions = {}): Promise<LegacyMember[]> {
    const members = await this.#list(imagePath(id, 'members'), 'members', options)
    return members.map((each) => toRecord(each, 'member_id', 'member') as unknown as LegacyMember)
  }

  /** Images that are shared with a project. */
  async getMemberImages(memberId: string, options: CallOptions = {}): Promise<LegacySharedImage[]> {
    const path = `/shared-images/${encodeURIComponent(memberId)}`
    const images = await this.#list(path, 'shared_images', options)
    return images.map(
      (each) => toRecord(each, 'image_id', 'shared image') as unknown as LegacySharedImage
    )
  }

  /** Shares an image with these projects and no others; options need them in a list. */
  replaceMembers(imageId: string, ...members: readonly LegacyMember[]): Promise<true>
  replaceMembers(
    imageId: string,
    members: readonly LegacyMember[],
    options: CallOptions
  ): Promise<true>
  replaceMembers(
    imageId: string,
    ...given: readonly LegacyMember[] | ListedMembers
  ): Promise<true> {
    const [memberships, options] = isListed(given) ? given : [given, {}]
    return this.#done('PUT', imagePath(imageId, 'members'), options, { memberships })
  }

  /** Shares an image; without `canShare` a project that has it keeps what it may. */
  addMember(
    imageId: string,
    memberId: string,
    canShare?: boolean | null,
    options?: CallOptions
  ): Promise<true> {
    const body = typeof canShare === 'boolean' ? { member: { can_share: canShare } } : undefined
    return this.#done('PUT', imagePath(imageId, 'members', memberId), options, body)
  }

  deleteMember(imageId: string, memberId: string, options?: CallOptions): Promise<true> {
    return this.#done('DELETE', imagePath(imageId, 'members', memberId), options)
  }

  /** Images in the cache of the server that answers. */
  async getCachedImages(options: CallOptions = {}): Promise<LegacyCachedImage[]> {
    const images = await this.#list('/cached_images', 'cached_images', options)
    return images.map(
      (each) => toRecord(each, 'image_id', 'cached image') as unknown as LegacyCachedImage
    )
  }

  /** Ids of the images that are to be fetched into the cache, the oldest first. */
  async getQueuedImages(options: CallOptions = {}): Promise<string[]> {
    return (await this.#list('/queued_images', 'queued_images', options)).map(String)
  }

  deleteCachedImage(id: string, options?: CallOptions): Promise<true> {
    return this.#done('DELETE', `/cached_images/${encodeURIComponent(id)}`, options)
  }

  /** How many there were. */
  deleteAllCachedImages(options?: CallOptions): Promise<number> {
    return this.#count('/cached_images', options)
  }

  /** Has an image fetched into the cache. */
  queueImageForCaching(id: string, options?: CallOptions): Promise<true> {
    return this.#done('PUT', `/queued_images/${encodeURIComponent(id)}`, options)
  }

  deleteQueuedImage(id: string, options?: CallOptions): Promise<true> {
    return this.#done('DELETE', `/queued_images/${encodeURIComponent(id)}`, options)
  }

  /** How many there were. */
  deleteAllQueuedImages(options?: CallOptions): Promise<number> {
    return this.#count('/queued_images', options)
  }

  /** Lets running calls end, gives up bytes that nobody has read, and closes the sockets. */
  async close(): Promise<void> {
    for (const body of this.#open) body.destroy()
    await this.#http.close()
  }

  async *#read({ headers, body }: LegacyBody, onRead: () => void, signal: AbortSignal | undefined) {
    this.#open.delete(body)
    const meta = metaFromHeaders(headers)
    const verifier = createVerifier(
      { size: numberOf(meta.size) ?? null, checksum: textOf(meta.checksum) },
      numberOf(Number(headers['content-length'] ?? Number.NaN))
    )
    try {
      for await (const chunk of body) {
        onRead()
        verifier.update(chunk)
        if (verifier.size !== undefined && verifier.bytes > verifier.size) break
        yield chunk
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw bodyFailed('the server', error)
    } finally {
      body.destroy()
    }
    verifier.finish()
  }

  async #write(
    method: 'POST' | 'PUT',
    path: string,
    meta: LegacyFields,
    data: LegacyData | null | undefined,
    features: LegacyFeatures | null | undefined,
    { signal }: CallOptions
  ): Promise<LegacyImage> {
    const source = data === undefined || data === null ? undefined : takeSource(toSource(data))
    try {
      const headers = { ...metaToHeaders(meta), ...toHeaders(features ?? {}) }
      const answer =
        source === undefined
          ? await this.#http.call({ method, path, headers, repeat: 'unsent', signal })
          : await this.#http.upload({ method, path, headers, source, signal })
      return toImage(readObject(answer).image)
    } finally {
      source?.release()
    }
  }

  async #list(path: string, key: string, options: CallOptions): Promise<readonly unknown[]> {
    return readList(
      await this.#http.call({ method: 'GET', path, repeat: 'always', ...options }),
      key
    )
  }

  async #done(
    method: 'PUT' | 'DELETE',
    path: string,
    options: CallOptions = {},
    body?: object
  ): Promise<true> {
    const repeat = method === 'DELETE' ? REMOVAL : ({ repeat: 'always' } as const)
    await this.#http.call({ method, path, body, ...repeat, ...options })
    return true
  }

  async #count(path: string, options: CallOptions = {}): Promise<number> {
    const answer = await this.#http.call({ method: 'DELETE', path, repeat: 'unsent', ...options })
    return numberOf(readObject(answer).num_deleted) ?? 0
  }
}

type ListedMembers = readonly [members: readonly LegacyMember[], options: CallOptions]

function isListed(given: readonly unknown[]): given is ListedMembers {
  return Array.isArray(given[0])
}

function imagePath(id: string, ...parts: readonly string[]): string {
  return ['/images', ...[id, ...parts].map(encodeURIComponent)].join('/')
}

function toQuery({ filters, ...paging }: LegacyList): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...filters, ...paging })) {
    if (value !== undefined && value !== null) query.append(name, String(value))
  }
  return query.size === 0 ? '' : `?${query}`
}

function toHeaders(features: LegacyFeatures): Record<string, string> {
  const sent = Object.entries(features).filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(
    sent.map(([name, value]) => [name.toLowerCase(), toHeaderBytes(String(value))])
  )
}

function toSource(data: LegacyData) {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data
}

function toImage(value: unknown): LegacyImage {
  if (!isRecord(value) || typeof value.id !== 'string') {
    throw new TankClientError('BAD_ANSWER', 'the server sent no image')
  }
  return value as unknown as LegacyImage
}

function numberOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) ? Number(value) : undefined
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
