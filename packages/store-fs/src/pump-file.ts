import { read } from 'node:fs'
import type { Writable } from 'node:stream'
import { StoreError } from '@tank/store'
import { BLOCK, returnBlock, takeBlock } from './blocks.ts'
import { toStoreError } from './errors.ts'
import { type Section, tooShort } from './section.ts'

/**
 * Sends a part of a file through two blocks of memory that go round: while the receiver has one,
 * the other is being filled. A Readable cannot do that, since nobody tells it when a chunk is done
 * with. Closes the file in the end.
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
  readonly #free: Buffer[]
  #position: number
  #reading = false
  /** Writes that have not called back yet. */
  #pending = 0
  #failed = false
  #failure: unknown
  #settled = false
  #settle: (() => void) | undefined

  constructor({ handle, offset, length }: Section, to: Writable, signal: AbortSignal | undefined) {
    this.#to = to
    this.#signal = signal
    this.#fd = handle.fd
    this.#position = offset
    this.#end = offset + length
    this.#free = length > BLOCK ? [takeBlock(), takeBlock()] : [takeBlock()]
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
    for (const block of this.#free.splice(0)) returnBlock(block)
    if (this.#failed) throw this.#failure
  }

  #next(): void {
    if (this.#failed || this.#position === this.#end) {
      this.#settleWhenIdle()
      return
    }
    if (this.#reading) return
    const block = this.#free.pop()
    if (block === undefined) return
    this.#reading = true
    const length = Math.min(block.length, this.#end - this.#position)
    read(this.#fd, block, 0, length, this.#position, (error, bytes) => {
      this.#reading = false
      if (error !== null || bytes === 0 || this.#failed) {
        this.#free.push(block)
        if (error !== null) this.#fail(toStoreError(error))
        else if (bytes === 0) this.#fail(tooShort())
        this.#settleWhenIdle()
        return
      }
      this.#position += bytes
      this.#write(block, bytes)
      this.#next()
    })
  }

  #write(block: Buffer, bytes: number): void {
    this.#pending += 1
    // Only this callback says that the receiver is done with the block; 'drain' does not.
    this.#to.write(bytes === block.length ? block : block.subarray(0, bytes), (error) => {
      this.#pending -= 1
      if (error) {
        this.#fail(gone(error))
      } else if (this.#settled) {
        returnBlock(block)
      } else {
        this.#free.push(block)
        this.#next()
      }
    })
  }

  #fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true
      this.#failure = error
    }
    this.#settleWhenIdle()
  }

  /** After a failure writes may hang as long as the receiver does; a read always ends. */
  #settleWhenIdle(): void {
    if (this.#reading || (!this.#failed && this.#pending > 0)) return
    this.#settled = true
    this.#settle?.()
  }
}

function gone(cause: unknown): StoreError {
  return new StoreError('FAILED', 'the receiver went away before the end', { cause })
}
