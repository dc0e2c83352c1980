import { randomUUID } from 'node:crypto'
import { isStoreError, StoreError } from '@tank/store'
import type { Bucket } from './bucket.ts'
import type { CallOptions } from './calls.ts'
import type { Chores } from './chores.ts'
import { taken } from './errors.ts'
import type { FinishedPart, UploadId } from './multipart.ts'
import { abortUntilGone, removeUploads } from './uploads.ts'

/** How long a request that publishes may go on after an abort. */
const GRACE_MS = 1_000

export interface AttemptOptions {
  readonly bucket: Bucket
  readonly chores: Chores
  readonly exclusive: boolean
  readonly key: string
  readonly signal: AbortSignal | undefined
}

/**
 * One attempt to make an object appear, whole or not at all. Remembers what it may have left on the
 * server, and takes that away again when it fails.
 */
export class Attempt {
  /** Marks the object as ours. */
  readonly tag = randomUUID()
  readonly #options: AttemptOptions
  #upload: UploadId | undefined
  /** An answer to "begin an upload" was lost, so that there may be one whose id nobody knows. */
  #strayUpload = false
  #publishing = false

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  /** Begins a multipart upload. Asks first whether the key is taken, so that no upload is in vain. */
  async begin(signal: AbortSignal): Promise<UploadId> {
    await this.#assertFree(signal)
    const { bucket, key } = this.#options
    const onRetry = () => {
      this.#strayUpload = true
    }
    try {
      this.#upload = await bucket.createUpload(key, this.tag, { signal, onRetry })
    } catch (error) {
      this.#strayUpload ||= signal.aborted || isStoreError(error, 'UNAVAILABLE')
      throw error
    }
    return this.#upload
  }

  /** Turns the parts into the object, and has the server confirm its size. */
  async complete(parts: readonly FinishedPart[], size: number): Promise<void> {
    const { bucket, key, signal } = this.#options
    const upload = this.#upload
    if (upload === undefined) throw new Error('complete without begin')
    // Not every server heeds the condition on the request that follows.
    await this.#assertFree(signal)
    const complete = (signal: AbortSignal) =>
      bucket.completeUpload(upload, parts, { signal, patient: true })
    await this.publish(complete, true)
    const { size: stored, tag } = await bucket.head(key, { signal, patient: true })
    if (tag !== this.tag) throw taken()
    if (stored !== size) {
      throw new StoreError('FAILED', `the server has ${stored} bytes of the ${size} that were sent`)
    }
    if (this.#strayUpload) await this.#options.chores.run((signal) => this.#tidyUploads(signal))
  }

  /**
   * Makes the request after which the image is there. An abort lets it end, for a moment: cut off, it
   * might still succeed when nobody looks any more.
   */
  async publish(send: (signal: AbortSignal) => Promise<void>, patient = false): Promise<void> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    this.#publishing = true
    const late = following(signal, GRACE_MS)
    try {
      await send(late.signal)
    } catch (error) {
      signal?.throwIfAborted()
      // The answer may have been lost, and then a repeated request meets what the first one made.
      if (!(await this.#isOurs({ signal, patient }))) throw meaning(error)
    } finally {
      late.stop()
    }
    signal?.throwIfAborted()
  }

  /** Removes what is left after a failure; goes on in the background when that takes long. */
  async undo(): Promise<void> {
    if (this.#upload === undefined && !this.#strayUpload && !this.#publishing) return
    await this.#options.chores.run(async (signal) => {
      await this.#tidyUploads(signal)
      if (!this.#publishing) return
      const options = { signal, patient: true }
      const { bucket, key } = this.#options
      if (await this.#isOurs(options)) await bucket.delete(key, options)
    })
  }

  async #tidyUploads(signal: AbortSignal): Promise<void> {
    const { bucket, key } = this.#options
    const options = { signal, patient: true }
    if (this.#upload !== undefined) await abortUntilGone(bucket, this.#upload, options)
    if (this.#strayUpload) await removeUploads(bucket, key, options)
  }

  async #isOurs(options: CallOptions): Promise<boolean> {
    const { bucket, key } = this.#options
    const found = await bucket.find(key, options)
    return found?.tag === this.tag
  }

  async #assertFree(signal: AbortSignal | undefined): Promise<void> {
    const { bucket, key, exclusive } = this.#options
    if (exclusive && (await bucket.find(key, { signal })) !== undefined) throw taken()
  }
}

/** The upload, not the image, was not there any more. */
function meaning(error: unknown): unknown {
  if (!isStoreError(error, 'NOT_FOUND')) return error
  const message = 'the key was deleted while its image was written'
  return new StoreError('FAILED', message, { cause: error })
}

export interface Following {
  readonly signal: AbortSignal
  /** Aborts at once. */
  abort(reason: unknown): void
  stop(): void
}

/** A signal that aborts when the other one does, or some time after it. */
export function following(signal: AbortSignal | undefined, delayMs = 0): Following {
  const control = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const abort = () => control.abort(signal?.reason)
  const onAbort = () => {
    if (delayMs === 0) abort()
    else timer = setTimeout(abort, delayMs)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  return {
    signal: control.signal,
    abort: (reason) => control.abort(reason),
    stop: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
