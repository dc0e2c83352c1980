import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import { StoreError } from '@tank/store'
import { toStoreError } from './errors.ts'
import { type ReadBlocks, readBlocksOf } from './read-blocks.ts'

/** What may be on its way to a receiver who does not take it. */
const MAX_BYTES = 1024 * 1024
const MAX_CHUNKS = 8

/** Writes the bytes of an answer to a receiver, from blocks that are used again after it. */
export function pumpAnswer(
  answer: IncomingMessage,
  length: number,
  to: Writable,
  signal: AbortSignal | undefined
): Promise<void> {
  return new Pump(answer, length, to, signal).run()
}

class Pump {
  readonly #answer: IncomingMessage
  readonly #blocks: ReadBlocks | undefined
  readonly #to: Writable
  readonly #signal: AbortSignal | undefined
  #left: number
  #bytes = 0
  #chunks = 0
  #ended = false
  #failed = false
  #failure: unknown
  #settle: () => void = () => {}

  constructor(
    answer: IncomingMessage,
    length: number,
    to: Writable,
    signal: AbortSignal | undefined
  ) {
    this.#answer = answer
    // An answer that is there already, or that comes in frames, is left to the parser.
    const isPlain = !answer.complete && answer.headers['transfer-encoding'] === undefined
    this.#blocks = isPlain && length > MAX_BYTES ? readBlocksOf(answer.socket) : undefined
    this.#left = length
    this.#to = to
    this.#signal = signal
  }

  async run(): Promise<void> {
    const [answer, to] = [this.#answer, this.#to]
    const done = new Promise<void>((resolve) => {
      this.#settle = resolve
    })
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    to.on('error', this.#onGone).on('close', this.#onGone)
    answer.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    if (this.#signal?.aborted) this.#onAbort()
    else if (to.destroyed || to.writableEnded) this.#onGone(to.errored)
    else if (answer.destroyed || answer.readableEnded) this.#onClose()
    else if (this.#blocks === undefined) answer.on('data', this.#take)
    else this.#takeOver(this.#blocks)
    await done
    this.#signal?.removeEventListener('abort', this.#onAbort)
    to.off('close', this.#onGone).off('error', this.#onGone)
    answer.off('data', this.#take).off('close', this.#onClose)
    if (this.#failed || this.#blocks !== undefined) answer.destroy()
    if (this.#failed) throw this.#failure
  }

  #takeOver(blocks: ReadBlocks): void {
    // What the parser has handed out already.
    for (let chunk = this.#read(); chunk !== null; chunk = this.#read()) this.#take(chunk)
    blocks.takeOver(this.#take)
    if (!this.#isFull()) this.#resume()
  }

  /** Nothing comes through the answer any more, but its state says who waits for whom. */
  #resume(): void {
    this.#answer.resume()
    if (this.#blocks !== undefined) this.#answer.socket.resume()
  }

  #read(): Buffer | null {
    return this.#answer.read()
  }

  readonly #take = (chunk: Buffer): boolean => {
    if (this.#failed) return false
    this.#left -= chunk.length
    if (this.#left < 0) {
      this.#fail(new StoreError('FAILED', 'the server sends too many bytes'))
      return false
    }
    this.#bytes += chunk.length
    this.#chunks += 1
    // Only this callback says that the receiver is done with the bytes; 'drain' does not.
    this.#to.write(chunk, (error) => this.#onWritten(chunk, error))
    if (this.#left === 0) this.#ended ||= this.#blocks !== undefined
    if (!this.#isFull()) return true
    this.#answer.pause()
    return false
  }

  #isFull(): boolean {
    return this.#bytes >= MAX_BYTES || this.#chunks >= MAX_CHUNKS
  }

  #onWritten(chunk: Buffer, error: Error | null | undefined): void {
    if (error) this.#onGone(error)
    if (this.#failed) return
    this.#bytes -= chunk.length
    this.#chunks -= 1
    this.#blocks?.giveBack(chunk)
    if (this.#ended) this.#settleWhenDone()
    else if (this.#bytes < MAX_BYTES / 2 && this.#answer.isPaused()) this.#resume()
  }

  readonly #onEnd = () => {
    this.#ended = true
    if (this.#left > 0) this.#onClose()
    else this.#settleWhenDone()
  }

  readonly #onClose = () => {
    if (this.#ended && this.#left === 0) return
    const error = this.#answer.errored
    if (error) this.#onError(error)
    else this.#fail(new StoreError('UNAVAILABLE', 'the server ended the image early'))
  }

  readonly #onError = (error: Error) => this.#fail(toStoreError(error))
  readonly #onAbort = () => this.#fail(this.#signal?.reason)
  readonly #onGone = (cause?: unknown) => {
    this.#fail(new StoreError('FAILED', 'the receiver went away before the end', { cause }))
  }

  #settleWhenDone(): void {
    if (this.#chunks === 0) this.#settle()
  }

  /** The first failure counts. What the receiver still has is not used again. */
  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
    this.#settle()
  }
}
