import { Readable } from 'node:stream'
import { TankError } from '@tank/model'
import type { Watch } from '../inspection/watch.ts'
import type { DigestRun } from './digests.ts'

export interface IntakeOptions {
  /** Bytes that the sender announced; anything else is an error. */
  readonly announced: number | undefined
  /** Most bytes that are taken, whatever was announced (S-06). */
  readonly cap: number
  readonly digests: DigestRun
  /** Looks at every chunk first; an error of its ends the body. */
  readonly watch?: Pick<Watch, 'feed'> | undefined
}

const BUFFERED = 2 << 20

/** The sender went away before the body was complete. */
export class SenderGone extends Error {
  override readonly name = 'SenderGone'
  constructor(received: number) {
    super(`the connection was lost after ${received} bytes`)
  }
}

/**
 * One pass over a request body: counts it, hashes it, and hands the same chunks on to a store. It ends
 * only when exactly the announced bytes have come; every other end destroys it with the reason.
 */
export class Intake extends Readable {
  readonly #source: Readable
  readonly #options: IntakeOptions
  #received = 0
  #wanted = false
  #hashing = true
  #ended = false
  #failure: Error | undefined

  constructor(source: Readable, options: IntakeOptions) {
    super({ highWaterMark: BUFFERED, autoDestroy: true })
    this.#source = source
    this.#options = options
    options.digests.onDrain = () => {
      this.#hashing = true
      this.#flow()
    }
    source.pause()
    source.on('data', this.#onData)
    source.on('end', this.#onEnd)
    source.on('error', this.#onClose)
    source.on('close', this.#onClose)
    // its sender left before anybody listened: no event will tell
    if (source.destroyed) process.nextTick(this.#onClose)
  }

  get received(): number {
    return this.#received
  }

  /** What was wrong with the body itself, and not what its reader made of it. */
  get failure(): Error | undefined {
    return this.#failure
  }

  override _read(): void {
    this.#wanted = true
    this.#flow()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#release()
    callback(error)
  }

  #flow(): void {
    if (this.#wanted && this.#hashing && !this.#ended) this.#source.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    const { announced, cap, digests, watch } = this.#options
    this.#received += chunk.length
    if (this.#received > cap) {
      this.#fail(new TankError('TOO_LARGE', `An image has at most ${cap} bytes`))
      return
    }
    if (announced !== undefined && this.#received > announced) {
      this.#fail(sizeMismatch(announced, 'more'))
      return
    }
    const refusal = watch?.feed(chunk)
    if (refusal !== undefined) {
      this.#fail(refusal)
      return
    }
    this.#hashing = digests.feed(chunk)
    this.#wanted = this.push(chunk)
    if (!this.#wanted || !this.#hashing) this.#source.pause()
  }

  readonly #onEnd = (): void => {
    const { announced } = this.#options
    this.#ended = true
    if (announced !== undefined && this.#received !== announced)
      this.#fail(sizeMismatch(announced, String(this.#received)))
    else this.push(null)
  }

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail(new SenderGone(this.#received))
  }

  #fail(error: Error): void {
    // whoever ended it before had another reason
    if (!this.destroyed) this.#failure ??= error
    this.destroy(error)
  }

  /** Lets go of the source; what still comes is read and thrown away, so that an answer gets through. */
  #release(): void {
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
    this.#source.off('close', this.#onClose)
    if (!this.#ended) this.#source.resume()
  }
}

function sizeMismatch(announced: number, received: string): TankError {
  return new TankError(
    'INVALID_REQUEST',
    `The announced size is ${announced} bytes, but ${received} bytes were received`
  )
}
