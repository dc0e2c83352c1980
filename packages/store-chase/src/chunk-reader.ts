import type { Readable } from 'node:stream'
import { isStoreError, StoreError } from '@tank/store'

/** Reads a body in pieces of the reader's choice, and holds it to its declared size. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<unknown>
  readonly #size: number | undefined
  #received = 0
  #rest: Uint8Array | undefined
  #isDone = false

  constructor(body: Readable, size: number | undefined) {
    this.#chunks = body[Symbol.asyncIterator]()
    this.#size = size
  }

  /** Bytes that have come so far. */
  get received(): number {
    return this.#received
  }

  /** The next bytes, so many at most; undefined after the last. */
  async read(most: number): Promise<Uint8Array | undefined> {
    if (await this.isAtEnd()) return undefined
    const rest = this.#rest ?? new Uint8Array()
    this.#rest = rest.byteLength > most ? rest.subarray(most) : undefined
    return rest.byteLength > most ? rest.subarray(0, most) : rest
  }

  /** Waits until it is known whether there is more. */
  async isAtEnd(): Promise<boolean> {
    while (this.#rest === undefined && !this.#isDone) {
      const chunk = await this.#next()
      if (chunk === undefined) this.#isDone = true
      else if (chunk.byteLength > 0) this.#rest = chunk
    }
    return this.#rest === undefined
  }

  async #next(): Promise<Uint8Array | undefined> {
    const step = await this.#chunks.next().catch((cause: unknown) => {
      if (isStoreError(cause)) throw cause
      throw new StoreError('FAILED', 'the body ended before its end', { cause })
    })
    if (step.done === true) {
      if (this.#size !== undefined && this.#received < this.#size) throw this.#mismatch()
      return undefined
    }
    const chunk: unknown = step.value
    if (!(chunk instanceof Uint8Array)) {
      throw new StoreError('FAILED', 'the body does not consist of bytes')
    }
    this.#received += chunk.byteLength
    if (this.#size !== undefined && this.#received > this.#size) throw this.#mismatch()
    return chunk
  }

  #mismatch(): StoreError {
    const text = `${this.#size} bytes were declared, ${this.#received} came`
    return new StoreError('SIZE_MISMATCH', text)
  }
}
