import { read } from 'node:fs'
import type { Writable } from 'node:stream'
import { StoreError } from '@tank/store'
import { dropBlock, returnBlock, takeBlock } from './blocks.ts'
import { toStoreError } from './errors.ts'
import { type Section, tooShort } from './section.ts'

/** While the receiver has one block, the next is being filled. */
const BLOCKS = 2

/**
 * Sends a part of a file through blocks of memory that go round. A Readable cannot do that, since
 * nobody tells it when a chunk is done with. Closes the file in the end.
 */
export async function pumpFile(
  section: Section,
  to: Writable,
  signal: AbortSignal | undefined
): Promise<void> {
  try {
    await new Pump(section, to, signal).run()
  } finally {
    await section.handle.close()
  }
}

class Pump {
  readonly #to: Writable
  readonly #signal: AbortSignal | undefined
  readonly #fd: number
  readonly #end: number
  /** Blocks that the receiver has not called back for. */
  readonly #sent = new Set<Buffer>()
  #position: number
  #reading = false
  #failed = false
  #failure: unknown
  #settle: (() => void) | undefined

  constructor({ handle, offset, length }: Section, to: Writable, signal: AbortSignal | undefined) {
    this.#to = to
    this.#signal = signal
    this.#fd = handle.fd
    this.#position = offset
    this.#end = offset + length
  }

  async run(): Promise<void> {
    const signal = this.#signal
    const onAbort = () => this.#fail(signal?.reason)
    const onError = (error: unknown) => this.#fail(gone(error))
    const onClose = () => this.#fail(gone(this.#to.errored))
    const done = new Promise<void>((resolve) => {
      this.#settle = resolve
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#to.on('error', onError).on('close', onClose)
    if (signal?.aborted) onAbort()
    else if (this.#to.destroyed || this.#to.writableEnded) onClose()
    else this.#next()
    await done
    signal?.removeEventListener('abort', onAbort)
    this.#to.off('close', onClose).off('error', onError)
    for (const block of this.#sent) dropBlock(block)
    this.#sent.clear()
    if (this.#failed) throw this.#failure
  }

  #next(): void {
    if (this.#failed || this.#position === this.#end) {
      this.#settleWhenIdle()
      return
    }
    if (this.#reading || this.#sent.size === BLOCKS) return
    const left = this.#end - this.#position
    const block = takeBlock(left)
    this.#reading = true
    read(this.#fd, block, 0, Math.min(block.length, left), this.#position, (error, bytes) => {
      this.#reading = false
      if (error !== null || bytes === 0 || this.#failed) {
        returnBlock(block)
        this.#fail(error === null ? tooShort() : toStoreError(error))
        return
      }
      this.#position += bytes
      this.#write(block, bytes)
      this.#next()
    })
  }

  #write(block: Buffer, bytes: number): void {
    this.#sent.add(block)
    // Only this callback says that the receiver is done with the block; 'drain' does not.
    this.#to.write(bytes === block.length ? block : block.subarray(0, bytes), (error) => {
      if (error) this.#fail(gone(error))
      // Not in the set: the pump is over, and the block was dropped.
      else if (this.#sent.delete(block)) {
        returnBlock(block)
        this.#next()
      }
    })
  }

  /** The first failure counts. */
  #fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true
      this.#failure = error
    }
    this.#settleWhenIdle()
  }

  /** After a failure writes may hang as long as the receiver does; a read always ends. */
  #settleWhenIdle(): void {
    if (this.#reading || (!this.#failed && this.#sent.size > 0)) return
    this.#settle?.()
  }
}

function gone(cause: unknown): StoreError {
  return new StoreError('FAILED', 'the receiver went away before the end', { cause })
}
