import type { Readable } from 'node:stream'
import { countBytes } from './count-bytes.ts'
import { isStoreError, StoreError } from './errors.ts'
import { assertLocation } from './key.ts'
import type {
  ByteRange,
  CallOptions,
  GetOptions,
  ImageSource,
  PutOptions,
  Store,
  StoredEntry,
  StoredImage,
  StoreFeatures
} from './store.ts'

/** Where the guard writes its timings; a Fastify or pino logger fits. */
export interface GuardLog {
  debug(fields: object, message: string): void
}

/** The longest time that both kinds of signed URLs of S3 and Chase can live. */
const WEEK_SECONDS = 7 * 24 * 3600

const guarded = new WeakSet<Store>()

/**
 * Wraps a store so that backends hold backend code only: refuses keys and ranges that cannot be
 * right, counts the bytes of a put, turns every failure but an abort into a StoreError, refuses
 * calls after `close`, and logs how long each call took.
 */
export function guard(name: string, store: Store, log?: GuardLog): Store {
  if (guarded.has(store)) return store
  const wrapped = new Guard(name, store, log).wrap()
  guarded.add(wrapped)
  return wrapped
}

class Guard {
  readonly #name: string
  readonly #store: Store
  readonly #features: StoreFeatures
  readonly #log: GuardLog | undefined
  #closing: Promise<void> | undefined

  constructor(name: string, store: Store, log: GuardLog | undefined) {
    this.#name = name
    this.#store = store
    this.#features = Object.freeze({ ...store.features })
    this.#log = log
  }

  /** Offers the methods that the store has, since a missing one is a missing capability. */
  wrap(): Store {
    const store = this.#store
    return {
      type: store.type,
      features: this.#features,
      stat: (key, options) => this.#call('stat', key, options, () => store.stat(key, options)),
      get: (key, options) => this.#get(key, options ?? {}),
      ...(store.put && { put: this.#putter(store.put.bind(store)) }),
      ...(store.delete && { delete: this.#deleter(store.delete.bind(store)) }),
      ...(store.url && { url: this.#namer(store.url.bind(store)) }),
      ...(store.presign && { presign: this.#presigner(store.presign.bind(store)) }),
      ...(store.copy && { copy: this.#copier(store.copy.bind(store)) }),
      ...(store.list && { list: this.#lister(store.list.bind(store)) }),
      ...(store.accepts && { accepts: (url: URL) => store.accepts?.(url) ?? false }),
      ...(store.check && { check: this.#checker(store.check.bind(store)) }),
      close: () => this.#close()
    }
  }

  #get(key: string, options: GetOptions): Promise<ImageSource> {
    return this.#call('get', key, options, async () => {
      const { range } = options
      if (range !== undefined) this.#assertRange(range)
      const source = await this.#store.get(key, options)
      if (range !== undefined && source.size !== undefined) {
        if (range.offset + range.length > source.size) {
          source.body.destroy()
          throw new StoreError('BAD_RANGE', 'the range reaches past the end of the image')
        }
      }
      return this.#source(key, source, options.signal)
    })
  }

  #source(key: string, source: ImageSource, signal: AbortSignal | undefined): ImageSource {
    const pump = source.pump?.bind(source)
    let body: Readable | undefined
    return {
      size: source.size,
      // A getter, so that a store may open its body only when somebody wants it.
      get body() {
        body ??= abortable(source.body, signal)
        return body
      },
      ...(pump &&
        ({
          pump: (to, options) => this.#pump(key, source, () => pump(to, options), options)
        } satisfies Partial<ImageSource>))
    }
  }

  async #pump(
    key: string,
    source: ImageSource,
    pump: () => Promise<void>,
    options: CallOptions | undefined
  ): Promise<void> {
    let began = false
    try {
      return await this.#call('pump', key, options, () => {
        began = true
        return pump()
      })
    } finally {
      // Refused before the store heard of it: the source is still open, and nobody will read it.
      if (!began) source.body.on('error', ignore).destroy()
    }
  }

  #putter(put: NonNullable<Store['put']>): NonNullable<Store['put']> {
    return async (key, body, options = {}) => {
      // Nobody else may be listening yet, and an error without a listener ends the process.
      body.on('error', ignore)
      try {
        return await this.#call('put', key, options, () => this.#put(put, key, body, options))
      } catch (error) {
        body.destroy()
        throw error
      }
    }
  }

  async #put(
    put: NonNullable<Store['put']>,
    key: string,
    body: Readable,
    options: PutOptions
  ): Promise<StoredImage> {
    const { size } = options
    const { maxSize = Number.MAX_SAFE_INTEGER, unknownSize } = this.#features
    if (size === undefined && !unknownSize) {
      throw new StoreError('UNSUPPORTED', 'the store must know the size before the first byte')
    }
    if (size !== undefined && !isCount(size)) {
      throw new StoreError('SIZE_MISMATCH', 'the declared size is not a number of bytes')
    }
    if (size !== undefined && size > maxSize) throw tooLarge(maxSize)
    let refusal: StoreError | undefined
    const counted = countBytes(body, (bytes) => {
      if (bytes <= (size ?? maxSize)) return
      refusal ??= size === undefined ? tooLarge(maxSize) : mismatch(size, bytes)
      body.destroy(refusal)
    })
    try {
      const stored = await put(key, body, options)
      const expected = size ?? counted.bytes ?? stored.size
      if (stored.size !== expected || (counted.bytes ?? expected) !== expected) {
        // The store believes in this image, the numbers do not: nothing may stay at the key.
        await this.#store.delete?.(key)
        throw mismatch(expected, counted.bytes ?? stored.size)
      }
      return { size: stored.size }
    } catch (error) {
      // What the store makes of the error that we gave its source matters less than that error.
      throw refusal ?? error
    } finally {
      counted.stop()
    }
  }

  #deleter(remove: NonNullable<Store['delete']>): NonNullable<Store['delete']> {
    return (key, options) => this.#call('delete', key, options, () => remove(key, options))
  }

  #presigner(presign: NonNullable<Store['presign']>): NonNullable<Store['presign']> {
    return (key, options) =>
      this.#call('presign', key, options, async () => {
        const { seconds } = options
        if (!isCount(seconds) || seconds === 0 || seconds > WEEK_SECONDS) {
          throw new StoreError('UNSUPPORTED', 'a URL works for one second up to seven days')
        }
        return presign(key, options)
      })
  }

  #copier(copy: NonNullable<Store['copy']>): NonNullable<Store['copy']> {
    return (from, to, options) =>
      this.#call('copy', to, options, async () => {
        assertLocation(this.#store, from)
        return copy(from, to, options)
      })
  }

  #lister(list: NonNullable<Store['list']>): NonNullable<Store['list']> {
    return (options) => this.#list(list, options)
  }

  async *#list(
    list: NonNullable<Store['list']>,
    options: CallOptions | undefined
  ): AsyncGenerator<StoredEntry> {
    const entries = list(options)[Symbol.asyncIterator]()
    const next = () => this.#timed('list', undefined, options, () => entries.next())
    try {
      for (let step = await next(); step.done !== true; step = await next()) yield step.value
    } finally {
      await entries.return?.()
    }
  }

  #checker(check: NonNullable<Store['check']>): NonNullable<Store['check']> {
    return (options) => this.#timed('check', undefined, options, () => check(options))
  }

  #namer(url: NonNullable<Store['url']>): NonNullable<Store['url']> {
    return (key) => {
      assertLocation(this.#store, key)
      return url(key)
    }
  }

  #close(): Promise<void> {
    this.#closing ??= Promise.resolve(this.#store.close?.()).catch((error: unknown) => {
      throw branded(error)
    })
    return this.#closing
  }

  #assertRange({ offset, length }: ByteRange): void {
    if (!this.#features.ranges) throw new StoreError('UNSUPPORTED', 'the store sends whole images')
    if (!isCount(offset) || !isCount(length) || length === 0 || !isCount(offset + length)) {
      throw new StoreError('BAD_RANGE', 'the range is not a part of an image')
    }
  }

  #call<T>(
    method: string,
    key: string,
    options: CallOptions | undefined,
    run: () => Promise<T>
  ): Promise<T> {
    return this.#timed(method, key, options, () => {
      assertLocation(this.#store, key)
      return run()
    })
  }

  async #timed<T>(
    method: string,
    key: string | undefined,
    options: CallOptions | undefined,
    run: () => Promise<T>
  ): Promise<T> {
    const signal = options?.signal
    const start = performance.now()
    let code: string = 'OK'
    try {
      if (this.#closing !== undefined) throw new StoreError('UNAVAILABLE', 'the store is closed')
      signal?.throwIfAborted()
      return await run()
    } catch (error) {
      code = 'ABORTED'
      if (signal?.aborted) throw signal.reason
      const failure = branded(error)
      code = failure.code
      throw failure
    } finally {
      const ms = Math.round((performance.now() - start) * 10) / 10
      // Keys of outside locations are URLs, and their queries may hold secrets.
      const shown = key === undefined ? undefined : String(key).split(/[?#]/, 1)[0]
      this.#log?.debug({ store: this.#name, method, key: shown, ms, code }, 'store call')
    }
  }
}

function branded(error: unknown): StoreError {
  if (isStoreError(error)) return error
  return new StoreError('FAILED', 'the store failed', { cause: error })
}

/** The signal of a get also ends its body. */
function abortable(body: Readable, signal: AbortSignal | undefined): Readable {
  if (signal === undefined || body.destroyed) return body
  const abort = () => {
    if (body.listenerCount('error') === 0) body.on('error', ignore)
    body.destroy(signal.reason)
  }
  if (signal.aborted) abort()
  else {
    signal.addEventListener('abort', abort, { once: true })
    body.once('close', () => signal.removeEventListener('abort', abort))
  }
  return body
}

function ignore() {}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function mismatch(expected: number, got: number): StoreError {
  return new StoreError('SIZE_MISMATCH', `expected ${expected} bytes, got ${got}`)
}

function tooLarge(maxSize: number): StoreError {
  return new StoreError('TOO_LARGE', `the store takes at most ${maxSize} bytes an image`)
}
