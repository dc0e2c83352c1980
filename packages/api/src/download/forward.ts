import { Writable } from 'node:stream'
import { StoreError } from '@tank/store'

export interface ForwardOptions {
  /** Bytes that have to come. */
  readonly expected: number
  /** Longest time that the source may send nothing while it could. */
  readonly idleMs: number
  /** Called when it has sent nothing for so long. */
  readonly onIdle: (error: StoreError) => void
}

type Done = (error?: Error | null) => void

/**
 * Hands the bytes of a source on and counts them, so that another source can go on where this one
 * broke. It neither ends nor destroys `to`. Each write is called back only when `to` is done with
 * its chunk.
 */
export class Forward extends Writable {
  readonly #to: Writable
  readonly #options: ForwardOptions
  readonly #timer: NodeJS.Timeout
  #count = 0
  #isWriting = false

  constructor(to: Writable, options: ForwardOptions) {
    super({ highWaterMark: 1 << 20 })
    this.#to = to
    this.#options = options
    this.#timer = setTimeout(() => this.#onTimer(), options.idleMs)
  }

  /** Bytes handed on. */
  get count(): number {
    return this.#count
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this._writev([{ chunk }], done)
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: Done): void {
    const size = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0)
    if (this.#count + size > this.#options.expected) {
      done(new StoreError('SIZE_MISMATCH', 'the store sends more than the image has'))
      return
    }
    this.#count += size
    this.#isWriting = true
    const last = chunks.pop()
    for (const { chunk } of chunks) this.#to.write(chunk)
    this.#to.write(last?.chunk, (error) => {
      this.#isWriting = false
      this.#timer.refresh()
      done(error)
    })
  }

  override _final(done: Done): void {
    const missing = this.#options.expected - this.#count
    done(missing === 0 ? null : new StoreError('FAILED', `the body ends ${missing} bytes early`))
  }

  override _destroy(error: Error | null, done: Done): void {
    clearTimeout(this.#timer)
    done(error)
  }

  #onTimer(): void {
    // a slow reader is not the source's fault
    if (this.#isWriting) this.#timer.refresh()
    else this.#options.onIdle(new StoreError('UNAVAILABLE', 'the store stopped sending'))
  }
}
