import { Readable } from 'node:stream'
import { isStoreError, StoreError } from '@tank/store'
import type { Dispatcher } from 'undici'
import { connectionError } from './errors.ts'

// Blocks come as the socket has them, 64 KiB at most. A few of them keep the socket busy while the
// reader works.
const HIGH_WATER = 512 * 1024

/** The bytes of an answer; ends with an error when there are fewer than it promised. */
export class HttpBody extends Readable {
  readonly #controller: Dispatcher.DispatchController
  readonly #expected: number | undefined
  #received = 0
  #complete = false
  #paused = false

  constructor(controller: Dispatcher.DispatchController, expected: number | undefined) {
    super({ highWaterMark: HIGH_WATER })
    this.#controller = controller
    this.#expected = expected
  }

  receive(chunk: Buffer): void {
    this.#received += chunk.length
    if (this.push(chunk) || this.destroyed) return
    this.#paused = true
    this.#controller.pause()
  }

  finish(): void {
    this.#complete = true
    if (this.#expected === undefined || this.#received === this.#expected) this.push(null)
    else this.destroy(cutShort(this.#received, this.#expected))
  }

  fail(error: Error): void {
    this.#complete = true
    if (this.destroyed) return
    // Nobody may be listening yet, and an error without a listener ends the process.
    if (this.listenerCount('error') === 0) this.on('error', () => {})
    this.destroy(
      this.#received > 0 ? cutShort(this.#received, this.#expected, error) : failed(error)
    )
  }

  /** The beginning of the body as text, for short answers; the rest is dropped. */
  async text(limit = 65_536): Promise<string> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of this) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= limit) break
    }
    return Buffer.concat(chunks).toString('utf8', 0, limit)
  }

  /** Reads a short answer to its end, so that its connection can be used again. */
  async skip(): Promise<void> {
    await this.text().catch(() => {})
  }

  override _read(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#controller.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#complete) {
      this.#complete = true
      this.#controller.abort(new Error('the reader went away'))
    }
    callback(error)
  }
}

function failed(error: Error): StoreError {
  return isStoreError(error) ? error : connectionError(error)
}

function cutShort(received: number, expected: number | undefined, cause?: Error): StoreError {
  const of = expected === undefined ? '' : ` of ${expected}`
  return new StoreError('UNAVAILABLE', `the server ended after ${received} bytes${of}`, { cause })
}
