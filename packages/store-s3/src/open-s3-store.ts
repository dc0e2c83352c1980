import type { Readable } from 'node:stream'
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import {
  assertKey,
  type CallOptions,
  type GetOptions,
  type ImageSource,
  type ImageStat,
  type PresignOptions,
  type PutOptions,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredImage,
  type StoreFeatures
} from '@tank/store'
import { Bucket } from './bucket.ts'
import { Calls } from './calls.ts'
import { Checker } from './check.ts'
import { Chores } from './chores.ts'
import { createClient } from './client.ts'
import { copyImage } from './copy.ts'
import { getImage } from './get.ts'
import { listImages } from './list.ts'
import { type S3StoreOptions, type Settings, withDefaults } from './options.ts'
import { putImage } from './put.ts'
import { Transport } from './transport.ts'
import { removeUploads } from './uploads.ts'

/** A store with every power that there is. */
export type S3Store = Required<Omit<Store, 'accepts'>>

/**
 * Opens a store that keeps each image as an object of a bucket. Asks the server nothing yet.
 * Rejects with an Error that names them when options do not go together.
 */
export async function openS3Store(
  options: S3StoreOptions,
  context?: Pick<StoreContext, 'log'>
): Promise<S3Store> {
  return new S3(withDefaults(options), context?.log)
}

class S3 implements S3Store {
  readonly type = 's3'
  readonly features: StoreFeatures
  readonly #settings: Settings
  readonly #transport: Transport
  readonly #client: S3Client
  readonly #calls: Calls
  readonly #bucket: Bucket
  readonly #chores: Chores
  readonly #checker: Checker

  constructor(settings: Settings, log: StoreContext['log'] | undefined) {
    const { maxSize, exclusive, credentials } = settings
    this.features = { ranges: true, unknownSize: true, exclusive, maxSize }
    this.#settings = settings
    this.#transport = new Transport(settings)
    this.#client = createClient(settings, this.#transport)
    const secrets = Object.values(credentials ?? {})
    this.#calls = new Calls({ ...settings, secrets })
    this.#bucket = new Bucket(this.#client, this.#calls, settings)
    this.#chores = new Chores(log)
    this.#checker = new Checker({
      bucket: this.#bucket,
      chores: this.#chores,
      exclusive,
      warn: (message) => log?.warn(message)
    })
  }

  async stat(key: string, { signal }: CallOptions = {}): Promise<ImageStat> {
    assertKey(key)
    const { size } = await this.#bucket.head(key, { signal })
    return { size }
  }

  async get(key: string, options: GetOptions = {}): Promise<ImageSource> {
    assertKey(key)
    return getImage(this.#bucket, key, options)
  }

  async put(key: string, body: Readable, options: PutOptions = {}): Promise<StoredImage> {
    // The body may fail before anybody reads it.
    body.on('error', () => {})
    try {
      assertKey(key)
      return await putImage(this.#context(), key, body, options)
    } finally {
      body.destroy()
    }
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    assertKey(key)
    // In this order: a put that is about to publish loses its parts, and can do so no more.
    await removeUploads(this.#bucket, key, { signal })
    await this.#bucket.delete(key, { signal })
  }

  url(key: string): URL {
    assertKey(key)
    const { endpoint, forcePathStyle, bucket, prefix } = this.#settings
    if (endpoint === undefined) return new URL(`s3://${bucket}/${prefix}${key}`)
    const url = new URL(endpoint)
    if (forcePathStyle) url.pathname = `${bucket}/${prefix}${key}`
    else {
      url.hostname = `${bucket}.${url.hostname}`
      url.pathname = `${prefix}${key}`
    }
    return url
  }

  async presign(key: string, { seconds, signal }: PresignOptions): Promise<URL> {
    assertKey(key)
    const command = new GetObjectCommand(this.#bucket.at(key))
    const sign = () => getSignedUrl(this.#client, command, { expiresIn: seconds })
    return new URL(await this.#calls.run(sign, { signal }))
  }

  async copy(from: string, to: string, options: CallOptions = {}): Promise<StoredImage> {
    assertKey(from)
    assertKey(to)
    return copyImage(this.#context(), from, to, options)
  }

  list({ signal }: CallOptions = {}): AsyncIterable<StoredEntry> {
    return listImages(this.#bucket, this.#settings.prefix, { signal })
  }

  check({ signal }: CallOptions = {}): Promise<void> {
    return this.#checker.check({ signal })
  }

  async close(): Promise<void> {
    await this.#chores.close()
    this.#calls.close()
    this.#client.destroy()
  }

  #context() {
    return { bucket: this.#bucket, chores: this.#chores, settings: this.#settings }
  }
}
