import { Readable } from 'node:stream'
import { badRange, tooLarge, unreadable } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Pace, type PaceLimits } from './pace.ts'

export interface BodyLimits extends PaceLimits {
  readonly maxBytes: number
  /** Time for what comes before a range that the origin did not cut out itself. */
  readonly skipMs: number
  readonly totalMs: number
}

/** Which of the bytes that come are wanted. */
export interface Cut {
  /** Where in the image the answer begins. */
  readonly start: number
  /** Bytes of the answer to leave out. */
  readonly skip: number
  /** Bytes to deliver; undefined: all that come. */
  readonly length: number | undefined
  /** Whether the origin promised so many; else a range may turn out to lie behind the end. */
  readonly isPromised: boolean
}

/**
 * The wanted bytes of an answer. It ends early only with an error: when the origin stops, is slow,
 * sends more than is read at all, or when its time is over.
 */
export class HttpBody extends Readable {
  readonly #answer: Answer
  readonly #limits: BodyLimits
  readonly #pace: Pace
  readonly #total: NodeJS.Timeout
  readonly #signal: AbortSignal | undefined
  #skipping: NodeJS.Timeout | undefined
  #skip: number
  #wanted: number
  readonly #cut: Cut
  #isDone = false
  #seen = 0

  constructor(answer: Answer, cut: Cut, limits: BodyLimits, signal?: AbortSignal) {
    super({ highWaterMark: 256 * 1024 })
    this.#answer = answer
    this.#limits = limits
    this.#signal = signal
    this.#cut = cut
    this.#skip = cut.skip
    this.#wanted = cut.length ?? Number.POSITIVE_INFINITY
    this.#pace = new Pace(limits, (why) => this.#fail(why))
    // Ends a transfer, not the process that waits for nothing else.
    this.#total = setTimeout(() => this.#fail('the transfer took too long'), limits.totalMs).unref()
    signal?.addEventListener('abort', this.#abort, { once: true })
    if (signal?.aborted) this.#abort()
    this.#listen(answer.body)
  }

  override _read(): void {
    if (this.#wanted === 0) this.#end()
    else {
      if (this.#skip > 0) this.#startSkipping()
      this.#pace.wait()
      this.#answer.body.resume()
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pace.rest()
    clearTimeout(this.#total)
    clearTimeout(this.#skipping)
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#answer.close()
    callback(error)
  }

  #listen(body: Readable): void {
    body.on('data', (chunk: Buffer) => this.#take(chunk))
    body.on('end', () => {
      const { length, isPromised } = this.#cut
      if (this.#isDone) return
      if (length === undefined) this.#end()
      else if (isPromised) this.#fail('the origin sent less than it said')
      else this.destroy(badRange())
    })
    body.on('error', (error) => {
      if (!this.#isDone) this.destroy(unreadable(error))
    })
    body.pause()
  }

  #take(chunk: Buffer): void {
    if (this.destroyed || this.#isDone) return
    this.#seen += chunk.length
    this.#pace.came(chunk.length)
    const { maxBytes } = this.#limits
    if (this.#cut.start + this.#seen > maxBytes) return void this.destroy(tooLarge(maxBytes))
    const part = this.#part(chunk)
    if (part.length === 0) return
    const isHungry = this.push(part)
    if (this.#wanted === 0) this.#end()
    else if (!isHungry) {
      this.#pace.rest()
      this.#answer.body.pause()
    }
  }

  #part(chunk: Buffer): Buffer {
    const skipped = Math.min(this.#skip, chunk.length)
    this.#skip -= skipped
    if (this.#skip === 0) clearTimeout(this.#skipping)
    const part = chunk.subarray(skipped, skipped + Math.min(this.#wanted, chunk.length))
    this.#wanted -= part.length
    return part
  }

  #startSkipping(): void {
    this.#skipping ??= setTimeout(
      () => this.#fail('the origin sends no ranges, and the way to this one is too long'),
      this.#limits.skipMs
    )
  }

  #end(): void {
    if (this.destroyed || this.#isDone) return
    this.#isDone = true
    this.#pace.rest()
    this.push(null)
    // Bytes behind the range are nobody's.
    this.#answer.close()
  }

  #fail(why: string): void {
    this.destroy(unreadable(new Error(why)))
  }

  #abort = () => {
    this.destroy(this.#signal?.reason)
  }
}
