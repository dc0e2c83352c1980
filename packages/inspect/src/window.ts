/** Bytes from the start that are kept: every magic, partition tables and most headers lie there. */
export const HEAD_SIZE = 68 * 1024
/** Bytes up to the end that are kept: footers of every format. */
export const TAIL_SIZE = 4096

/** Keeps the head and the tail of a stream of bytes, in memory that does not grow with it. */
export class Window {
  readonly #head = new Uint8Array(HEAD_SIZE)
  readonly #tail = new Uint8Array(2 * TAIL_SIZE)
  #inHead = 0
  #inTail = 0
  #position = 0
  #size: number | undefined

  /** Bytes seen so far. */
  get position(): number {
    return this.#position
  }

  push(chunk: Uint8Array): void {
    if (this.#position < HEAD_SIZE) {
      this.#head.set(chunk.subarray(0, HEAD_SIZE - this.#position), this.#position)
      this.#inHead = Math.min(HEAD_SIZE, this.#position + chunk.length)
    }
    this.#position += chunk.length
    this.#keepTail(chunk.length > TAIL_SIZE ? chunk.subarray(-TAIL_SIZE) : chunk)
  }

  end(size: number): void {
    // what was not pushed has to be provided
    if (size !== this.#position) this.#inTail = 0
    this.#size = size
  }

  /** The bytes of a range, when all of them are kept. Valid until the next call. */
  peek(offset: number, length: number): Uint8Array | undefined {
    const end = offset + length
    if (length === 0) return new Uint8Array(0)
    if (end <= this.#inHead) return this.#head.subarray(offset, end)
    if (this.#size === undefined) return undefined
    // more may be kept, depending on how the bytes came; what counts must not
    const first = this.#size - Math.min(this.#inTail, TAIL_SIZE)
    if (offset < first || end > this.#size) return undefined
    const from = this.#inTail - (this.#size - offset)
    return this.#tail.subarray(from, from + length)
  }

  /** After the end: the range to provide so that one inside of it can be read. */
  missing(offset: number, length: number): { offset: number; length: number } {
    const size = this.#size ?? 0
    if (offset + length <= HEAD_SIZE) return { offset: 0, length: Math.min(HEAD_SIZE, size) }
    if (offset >= size - TAIL_SIZE && this.#inTail === 0)
      return { offset: Math.max(0, size - TAIL_SIZE), length: Math.min(TAIL_SIZE, size) }
    return { offset, length }
  }

  /** After the end: bytes that were read again. */
  provide(offset: number, bytes: Uint8Array): void {
    const size = this.#size ?? 0
    if (offset === 0 && bytes.length > this.#inHead) {
      this.#inHead = Math.min(HEAD_SIZE, bytes.length)
      this.#head.set(bytes.subarray(0, HEAD_SIZE))
    }
    if (this.#inTail === 0 && offset + bytes.length === size) {
      this.#keepTail(bytes.subarray(-TAIL_SIZE))
    }
  }

  #keepTail(bytes: Uint8Array): void {
    if (this.#inTail + bytes.length > this.#tail.length) {
      const kept = TAIL_SIZE - Math.min(TAIL_SIZE, bytes.length)
      this.#tail.copyWithin(0, this.#inTail - kept, this.#inTail)
      this.#inTail = kept
    }
    this.#tail.set(bytes, this.#inTail)
    this.#inTail += bytes.length
  }
}
