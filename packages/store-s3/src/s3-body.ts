import { Readable } from 'node:stream'
import { StoreError } from '@tank/store'
import { toStoreError } from './errors.ts'

const BUFFERED = 256 * 1024

/** The bytes of an answer; fails unless there are exactly as many as promised. */
export class S3Body extends Readable {
  readonly #source: Readable
  readonly #signal: AbortSignal | undefined
  #left: number
  #started = false

  constructor(source: Readable, length: number, signal: AbortSignal | undefined) {
    super({ highWaterMark: BUFFERED })
    this.#source = source
    this.#left = length
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted) this.#onAbort()
  }

  override _read(): void {
    if (this.#started) this.#source.resume()
    else this.#start()
  }

  /** Only when somebody reads: before that nobody may be listening to an error. */
  #start(): void {
    this.#started = true
    const source = this.#source
    source.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    source.on('data', this.#onData)
    if (source.errored) this.#onError(source.errored)
    else if (source.readableEnded) this.#onEnd()
    else if (source.destroyed) this.#onClose()
  }

  readonly #onData = (chunk: Buffer) => {
    this.#left -= chunk.length
    if (this.#left < 0) this.destroy(new StoreError('FAILED', 'the server sends too many bytes'))
    else if (!this.push(chunk)) this.#source.pause()
  }

  readonly #onEnd = () => {
    if (this.#left === 0) this.push(null)
    else this.#onClose()
  }

  readonly #onError = (error: Error) => {
    this.destroy(this.#signal?.aborted ? this.#signal.reason : toStoreError(error))
  }

  readonly #onClose = () => {
    if (this.#left > 0)
      this.destroy(new StoreError('UNAVAILABLE', 'the server ended the image early'))
  }

  readonly #onAbort = () => {
    if (this.listenerCount('error') === 0) this.on('error', () => {})
    this.destroy(this.#signal?.reason)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#source.destroy()
    callback(error)
  }
}
