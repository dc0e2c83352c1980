import type { Readable } from 'node:stream'
import type { StoredImage } from '@tank/store'
import { ChunkReader } from './chunk-reader.ts'
import type { Limits } from './limits.ts'
import type { ObjectWriter } from './object-writer.ts'
import type { Settings } from './options.ts'
import { Piece } from './piece.ts'
import { planSegments } from './plan.ts'
import type { Stopper } from './stopper.ts'

export interface UploadParts {
  readonly writer: ObjectWriter
  readonly stopper: Stopper
  readonly settings: Pick<Settings, 'segmentSize' | 'concurrency'>
  limits(): Promise<Limits>
}

/** Sends a body: as one object if it fits into one segment, else in segments. */
export async function upload(
  body: Readable,
  size: number | undefined,
  parts: UploadParts
): Promise<StoredImage> {
  const { signal } = parts.stopper
  // A body that stands still would not notice that everything else has ended.
  const end = () => body.destroy(signal.reason instanceof Error ? signal.reason : undefined)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await new Upload(new ChunkReader(body, size), size, parts).run()
  } finally {
    signal.removeEventListener('abort', end)
  }
}

class Upload {
  readonly #reader: ChunkReader
  readonly #size: number | undefined
  readonly #parts: UploadParts
  readonly #running = new Set<Promise<void>>()
  readonly #free: Piece[] = []
  #pieces = 0

  constructor(reader: ChunkReader, size: number | undefined, parts: UploadParts) {
    this.#reader = reader
    this.#size = size
    this.#parts = parts
  }

  async run(): Promise<StoredImage> {
    const { stopper } = this.#parts
    try {
      await this.#send()
    } catch (error) {
      stopper.stop(error)
    } finally {
      await Promise.all(this.#running)
    }
    stopper.assertGoing()
    return { size: this.#reader.received }
  }

  async #send(): Promise<void> {
    const { writer, settings } = this.#parts
    await writer.assertFree()
    const limits = await this.#parts.limits()
    const plan = planSegments(settings.segmentSize, limits, this.#size)
    if (this.#size !== undefined && this.#size <= plan.buffer) {
      await this.#sendWhole(new Piece(this.#size))
      return
    }
    for (let index = 0; index === 0 || !(await this.#reader.isAtEnd()); index += 1) {
      const bytes = plan.sizeOf(index)
      if (bytes > plan.buffer) {
        await writer.sendStream(index, this.#reader, bytes)
        continue
      }
      const piece = await this.#piece(bytes)
      await piece.fill(this.#reader, bytes)
      if (index === 0 && (await this.#reader.isAtEnd())) {
        await writer.publishPiece(piece)
        return
      }
      this.#start(writer.sendPiece(index, piece), piece)
    }
    await Promise.all(this.#running)
    this.#parts.stopper.assertGoing()
    await writer.publishSegments(limits)
  }

  async #sendWhole(piece: Piece): Promise<void> {
    await piece.fill(this.#reader, piece.capacity)
    // Only the end of the body shows that it is not longer than declared.
    await this.#reader.isAtEnd()
    await this.#parts.writer.publishPiece(piece)
  }

  /** Memory for a segment: as much as the options grant, made when it is needed, used again. */
  async #piece(bytes: number): Promise<Piece> {
    for (;;) {
      this.#parts.stopper.assertGoing()
      const free = this.#free.pop()
      if (free !== undefined) return free
      if (this.#pieces <= this.#parts.settings.concurrency) break
      await Promise.race(this.#running)
    }
    this.#pieces += 1
    return new Piece(bytes)
  }

  #start(work: Promise<void>, piece: Piece): void {
    const running = work
      .catch((error: unknown) => this.#parts.stopper.stop(error))
      .finally(() => {
        this.#running.delete(running)
        this.#free.push(piece)
      })
    this.#running.add(running)
  }
}
