import { read } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { BLOCK } from './blocks.ts'
import { toStoreError } from './errors.ts'
import { type Section, tooShort } from './section.ts'

/** The bytes of a file as a stream of large blocks; fails when there are fewer than promised. */
export class FileBody extends Readable {
  readonly #handle: FileHandle
  readonly #end: number
  #position: number
  #reading = false
  #idle: (() => void) | undefined

  constructor({ handle, offset, length }: Section) {
    super({ highWaterMark: BLOCK })
    this.#handle = handle
    this.#position = offset
    this.#end = offset + length
  }

  override _read(): void {
    const left = this.#end - this.#position
    if (left === 0) {
      this.push(null)
      return
    }
    const block = Buffer.allocUnsafeSlow(Math.min(BLOCK, left))
    this.#reading = true
    read(this.#handle.fd, block, 0, block.length, this.#position, (error, bytes) => {
      this.#reading = false
      if (this.#idle !== undefined) this.#idle()
      else if (error !== null) this.destroy(toStoreError(error))
      else if (bytes === 0) this.destroy(tooShort())
      else {
        this.#position += bytes
        this.push(bytes === block.length ? block : block.subarray(0, bytes))
      }
    })
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const close = () => {
      this.#handle.close().then(
        () => callback(error),
        (failure: unknown) => callback(error ?? toStoreError(failure))
      )
    }
    // A descriptor closed under a running read may by then belong to another file.
    if (this.#reading) this.#idle = close
    else close()
  }
}
