import type { Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { isStoreError, StoreError } from '@tank/store'

export interface ReaderOptions {
  /** The declared size. */
  readonly size: number | undefined
  /** Where a body of unknown size has to end. */
  readonly limit: number
  readonly tooLarge: string
  readonly signal: AbortSignal
}

/** Fills one block after the other from a body, which stands still in between. */
export class BodyReader {
  readonly #body: Readable
  readonly #options: ReaderOptions
  /** Of the last chunk, what had no room in the block. */
  #rest: Uint8Array | undefined
  #block: Buffer | undefined
  #hash: Hash | undefined
  #filled = 0
  #received = 0
  #ended = false
  #failed = false
  #failure: unknown
  #settle: (() => void) | undefined

  constructor(body: Readable, options: ReaderOptions) {
    this.#body = body
    this.#options = options
    const { signal } = options
    body.on('error', this.#onError).on('close', this.#onClose).on('end', this.#onEnd)
    body.on('data', this.#onData).pause()
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.#onAbort()
    else if (body.destroyed || body.readableEnded) this.#onClose()
  }

  get received(): number {
    return this.#received
  }

  /** Puts bytes into the block, and into the hash, until it is full or the body ends. */
  async fill(block: Buffer, hash?: Hash): Promise<number> {
    this.#block = block
    this.#hash = hash
    this.#filled = 0
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#take(rest)
    if (this.#filled < block.length) await this.#wait()
    this.#block = undefined
    this.#hash = undefined
    this.#assertWell()
    return this.#filled
  }

  /** Whether the body has no more bytes. Rejects when it has fewer than were declared. */
  async atEnd(): Promise<boolean> {
    if (this.#rest === undefined && !this.#ended) await this.#wait()
    this.#assertWell()
    return this.#rest === undefined
  }

  /** Lets go of the body, and ends it when it has not been read to its end. */
  close(): void {
    const body = this.#body
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    body.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (!this.#ended) body.destroy()
    // 'error' keeps its listener after a failure: the body may still tell of its end.
    else body.off('error', this.#onError)
  }

  #wait(): Promise<void> {
    if (this.#ended || this.#failed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#settle = () => {
        this.#settle = undefined
        this.#body.pause()
        resolve()
      }
      this.#body.resume()
    })
  }

  #assertWell(): void {
    if (this.#failed) throw this.#failure
    const { size } = this.#options
    if (this.#ended && size !== undefined && this.#received < size) {
      throw mismatch(size, this.#received)
    }
  }

  #take(chunk: Uint8Array): void {
    const block = this.#block
    const room = block === undefined ? 0 : block.length - this.#filled
    const taken = chunk.byteLength <= room ? chunk : chunk.subarray(0, room)
    block?.set(taken, this.#filled)
    this.#hash?.update(taken)
    this.#filled += taken.byteLength
    if (taken.byteLength < chunk.byteLength) this.#rest = chunk.subarray(taken.byteLength)
    if (taken.byteLength === room) this.#settle?.()
  }

  readonly #onData = (chunk: Uint8Array) => {
    if (this.#failed || chunk.byteLength === 0) return
    if (!(chunk instanceof Uint8Array)) {
      this.#fail(new StoreError('FAILED', 'the body does not consist of bytes'))
      return
    }
    const { size, limit, tooLarge } = this.#options
    this.#received += chunk.byteLength
    if (size !== undefined && this.#received > size) this.#fail(mismatch(size, this.#received))
    else if (this.#received > limit) this.#fail(new StoreError('TOO_LARGE', tooLarge))
    else if (this.#rest !== undefined) this.#rest = Buffer.concat([this.#rest, chunk])
    else this.#take(chunk)
  }

  readonly #onEnd = () => {
    this.#ended = true
    this.#settle?.()
  }

  readonly #onError = (error: unknown) => this.#fail(sourceError(error))
  readonly #onAbort = () => this.#fail(this.#options.signal.reason)
  readonly #onClose = () => {
    if (!this.#ended) this.#fail(sourceError(this.#body.errored))
  }

  /** The first failure counts. */
  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
    this.#body.pause()
    this.#settle?.()
  }
}

function mismatch(size: number, received: number): StoreError {
  return new StoreError('SIZE_MISMATCH', `${size} bytes were declared, ${received} came`)
}

function sourceError(cause: unknown): StoreError {
  if (isStoreError(cause)) return cause
  return new StoreError('FAILED', 'the body ended before its end', { cause })
}
