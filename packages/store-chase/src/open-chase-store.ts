import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
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
  StoreError,
  type WritableStore
} from '@tank/store'
import { Account } from './account.ts'
import { Container } from './container.ts'
import { copyImage } from './copy.ts'
import { openImage } from './download.ts'
import { LimitsOfCluster } from './limits.ts'
import { listImages } from './list-images.ts'
import { Names } from './names.ts'
import { ObjectWriter } from './object-writer.ts'
import { type ChaseStoreOptions, type Settings, withDefaults } from './options.ts'
import { removeImage } from './remove.ts'
import { Stopper } from './stopper.ts'
import { signUrl } from './temp-url.ts'
import { upload } from './upload.ts'

/** How long an abort, or a close, waits for what was written to be taken away. */
const ABORT_WAIT = 3_000

/** A store with everything that this one can do; `presign` only with a `tempUrlKey`. */
export type ChaseStore = WritableStore & Required<Pick<Store, 'copy' | 'list' | 'url' | 'check'>>

/** Opens a store that keeps each image as an object. Touches the network only when it is used. */
export async function openChaseStore(
  options: ChaseStoreOptions,
  context?: Pick<StoreContext, 'log'>
): Promise<ChaseStore> {
  const settings = withDefaults(options)
  const { authUrl, tempUrlKey } = settings
  if (authUrl.protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(authUrl.hostname)) {
    context?.log.warn({ host: authUrl.host }, 'credentials go over the network in clear (http)')
  }
  const store = new SwiftStore(settings, context?.log)
  if (tempUrlKey === undefined) return store
  return Object.assign(store, {
    presign: (key: string, options: PresignOptions) => store.sign(key, tempUrlKey, options)
  })
}

class SwiftStore implements ChaseStore {
  readonly type = 'chase'
  // Of two puts at the same moment both may succeed: Swift has no operation that could refuse one.
  readonly features = { ranges: true, unknownSize: true, exclusive: false }
  readonly #settings: Settings
  readonly #log: StoreContext['log'] | undefined
  readonly #account: Account
  readonly #container: Container
  readonly #limits: LimitsOfCluster
  readonly #cleaning = new Set<Promise<void>>()
  #isProbed = false

  constructor(settings: Settings, log: StoreContext['log'] | undefined) {
    this.#settings = settings
    this.#log = log
    this.#account = new Account(settings)
    const names = new Names(settings.container, settings.prefix)
    this.#container = new Container(this.#account, names, settings.createContainer)
    this.#limits = new LimitsOfCluster(this.#account)
  }

  async stat(key: string, options: CallOptions = {}): Promise<ImageStat> {
    assertKey(key)
    const head = await this.#container.head(this.#container.names.image(key), options)
    if (head === undefined) throw new StoreError('NOT_FOUND', 'there is no image at this key')
    return { size: head.size }
  }

  async get(key: string, options: GetOptions = {}): Promise<ImageSource> {
    assertKey(key)
    return openImage(this.#container, key, options)
  }

  async put(key: string, body: Readable, options: PutOptions = {}): Promise<StoredImage> {
    assertKey(key)
    const { size, signal } = options
    // The body may fail before anybody reads it; the upload then finds that out.
    body.on('error', () => {})
    try {
      return await this.#write(key, signal, (writer, stopper) => {
        const limits = () => this.#limits.get({ signal: stopper.signal })
        return upload(body, size, { writer, stopper, settings: this.#settings, limits })
      })
    } finally {
      body.destroy()
    }
  }

  async copy(from: string, to: string, { signal }: CallOptions = {}): Promise<StoredImage> {
    assertKey(from)
    assertKey(to)
    const { concurrency } = this.#settings
    return this.#write(to, signal, (writer, stopper) => {
      const limits = () => this.#limits.get({ signal: stopper.signal })
      const container = this.#container
      return copyImage(from, { container, writer, stopper, concurrency, limits })
    })
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    assertKey(key)
    await removeImage(this.#container, key, options)
  }

  list(options: CallOptions = {}): AsyncIterable<StoredEntry> {
    return listImages(this.#container, options)
  }

  url(key: string): URL {
    assertKey(key)
    const url = this.#account.knownUrl
    if (url === undefined) {
      throw new StoreError('UNAVAILABLE', 'the storage URL is known once the store has been used')
    }
    return this.#objectUrl(url, this.#container.names.image(key))
  }

  async sign(key: string, secret: string, options: PresignOptions): Promise<URL> {
    assertKey(key)
    return this.#sign(this.#container.names.image(key), secret, options)
  }

  /** The first time also writes, since reading does not show that we may. */
  async check(options: CallOptions = {}): Promise<void> {
    await this.#container.confirm(options)
    if (this.#isProbed) return
    const name = `${this.#container.names.all}.probe-${randomUUID()}`
    const what = 'to take an object'
    const headers = { 'content-type': 'text/plain', 'content-length': '0' }
    const answer = await this.#container.put(name, { ...options, headers, what })
    await answer.body.skip()
    try {
      await this.#assertSigns(name, options)
    } finally {
      await this.#container.remove(name, options)
    }
    this.#isProbed = true
  }

  async close(): Promise<void> {
    await settledSoon(Promise.all(this.#cleaning))
    await this.#account.close()
  }

  /** Only a signed URL that works shows that the key is that of the account. */
  async #assertSigns(name: string, options: CallOptions): Promise<void> {
    const { tempUrlKey } = this.#settings
    if (tempUrlKey === undefined) return
    const url = await this.#sign(name, tempUrlKey, { ...options, seconds: 60 })
    const answer = await this.#account.ask(url, options)
    await answer.body.skip()
    if (answer.status === 200) return
    const hint = 'is tempUrlKey the Temp-URL-Key of the account or of the container?'
    const message = `the server does not accept signed URLs (${answer.status}): ${hint}`
    throw new StoreError('DENIED', message)
  }

  async #sign(name: string, secret: string, options: PresignOptions): Promise<URL> {
    const { seconds, signal } = options
    const url = await this.#account.url({ signal })
    const limits = await this.#limits.get({ signal })
    return signUrl(this.#objectUrl(url, name), secret, seconds, limits)
  }

  #objectUrl(storageUrl: URL, name: string): URL {
    const url = new URL(storageUrl)
    url.pathname += this.#container.names.path(name)
    return url
  }

  /** All or nothing: whatever ends the work, what it has written goes away. */
  async #write(
    key: string,
    signal: AbortSignal | undefined,
    work: (writer: ObjectWriter, stopper: Stopper) => Promise<StoredImage>
  ): Promise<StoredImage> {
    const stopper = new Stopper(signal)
    const writer = new ObjectWriter(this.#container, key, stopper.signal, this.#log)
    try {
      return await work(writer, stopper)
    } catch (error) {
      stopper.stop(error)
      await this.#discard(writer, signal)
      throw signal?.aborted ? signal.reason : error
    } finally {
      stopper.close()
    }
  }

  async #discard(writer: ObjectWriter, signal: AbortSignal | undefined): Promise<void> {
    const done = writer.discard().finally(() => this.#cleaning.delete(done))
    this.#cleaning.add(done)
    await (signal?.aborted ? settledSoon(done) : done)
  }
}

async function settledSoon(work: Promise<unknown>): Promise<void> {
  await Promise.race([work, sleep(ABORT_WAIT, undefined, { ref: false })])
}
