import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ChunkReader } from './chunk-reader.ts'

const SLICE = 256 * 1024

/** A segment in memory, so that it can be sent more than once. */
export class Piece {
  readonly #memory: Buffer
  #length = 0
  #etag = ''

  constructor(bytes: number) {
    // Never from Node's pool of small buffers: this memory is written to again and again.
    this.#memory = Buffer.allocUnsafeSlow(bytes)
  }

  get capacity(): number {
    return this.#memory.length
  }

  get length(): number {
    return this.#length
  }

  /** MD5 of the bytes: what an object of them has as its ETag. */
  get etag(): string {
    return this.#etag
  }

  /** Takes so many bytes from the reader, fewer at the end of the body. */
  async fill(reader: ChunkReader, bytes: number): Promise<void> {
    const hash: Hash = createHash('md5')
    this.#length = 0
    while (this.#length < bytes) {
      const chunk = await reader.read(bytes - this.#length)
      if (chunk === undefined) break
      this.#memory.set(chunk, this.#length)
      hash.update(chunk)
      this.#length += chunk.byteLength
    }
    this.#etag = hash.digest('hex')
  }

  /** In slices, so that a server that takes the bytes slowly is not taken for one that hangs. */
  body(): Readable | Buffer {
    const bytes = this.#memory.subarray(0, this.#length)
    return bytes.length <= SLICE ? bytes : new Slices(bytes)
  }
}

class Slices extends Readable {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    super({ highWaterMark: SLICE })
    this.#bytes = bytes
  }

  override _read(): void {
    const slice = this.#bytes.subarray(this.#at, this.#at + SLICE)
    this.#at += slice.length
    this.push(slice.length === 0 ? null : slice)
  }
}
