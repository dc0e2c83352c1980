import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { BlobReader, type ReadContext, type StoredData } from '../download/blob-reader.ts'
import type { DigestPool, DigestRun } from '../ingest/digests.ts'
import type { CacheFolder, CacheKey, Part } from './cache-folder.ts'
import type { Flight } from './flight.ts'

export interface FillContext {
  readonly folder: CacheFolder
  readonly reading: ReadContext
  readonly digests: DigestPool
  readonly log: FastifyBaseLogger
  /** Aborts when the service stops. */
  readonly signal: AbortSignal
}

export interface Fill {
  readonly data: StoredData
  readonly key: CacheKey
  readonly part: Part
  readonly flight: Flight
}

const ALIVE_MS = 1000
const FLUSH_BYTES = 64 << 20

type Done = (error?: Error | null) => void

/** Writes and hashes what comes. It calls back when it is done with the blocks. */
class FillSink extends Writable {
  /** What the disk refused. */
  diskError: unknown
  written = 0
  readonly #handle: FileHandle
  readonly #digests: DigestRun
  readonly #onWritten: (written: number) => void
  #taking: Promise<void> = Promise.resolve()
  #flushed = 0
  #flushing: Promise<unknown> | undefined

  constructor(handle: FileHandle, digests: DigestRun, onWritten: (written: number) => void) {
    super({ highWaterMark: 4 << 20 })
    this.#handle = handle
    this.#digests = digests
    this.#onWritten = onWritten
    this.on('error', () => {})
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this._writev([{ chunk }], done)
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: Done): void {
    this.#taking = this.#take(chunks.map(({ chunk }) => chunk)).then(
      () => done(),
      (error: Error) => done(error)
    )
  }

  /** Settles when no write or flush uses the file any more. */
  async idle(): Promise<void> {
    await this.#taking
    await this.#flushing
  }

  async #take(chunks: readonly Buffer[]): Promise<void> {
    for (const chunk of chunks) {
      if (this.#digests.feed(chunk)) continue
      await new Promise<void>((resolve) => {
        this.#digests.onDrain = resolve
      })
    }
    try {
      for (let rest = [...chunks]; rest.length > 0; ) {
        const { bytesWritten } = await this.#handle.writev(rest, this.written)
        if (bytesWritten === 0) throw new Error('the file takes no more bytes')
        this.written += bytesWritten
        rest = after(rest, bytesWritten)
      }
    } catch (error) {
      this.diskError = error
      throw error
    }
    this.#flushEarly()
    this.#onWritten(this.written)
  }

  /** Beside the writing, so that the last flush is short. */
  #flushEarly(): void {
    if (this.#flushing !== undefined || this.written - this.#flushed < FLUSH_BYTES) return
    this.#flushed = this.written
    this.#flushing = this.#handle.datasync().then(
      () => {
        this.#flushing = undefined
      },
      (error: unknown) => {
        this.diskError ??= error
      }
    )
  }
}

function after(chunks: Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  while (chunks[0] !== undefined && skip >= chunks[0].length) skip -= chunks.shift()?.length ?? 0
  const [first, ...others] = chunks
  return first === undefined || skip === 0 ? chunks : [first.subarray(skip), ...others]
}

/** What went wrong with a fill: the stores, the bytes, or the disk of the cache. */
export class FillError extends Error {
  override readonly name = 'FillError'
  readonly kind: 'origin' | 'wrong' | 'disk'

  constructor(kind: FillError['kind'], cause: unknown) {
    super(`the image could not be brought into the cache (${kind})`, { cause })
    this.kind = kind
  }
}

/** Reads the whole image from its stores into the part; returns when the digest is right. */
async function receive(context: FillContext, fill: Fill, signal: AbortSignal): Promise<void> {
  const { data, key, part, flight } = fill
  const request = { data, range: undefined, prefer: [], signal, log: context.log }
  const reader = new BlobReader(context.reading, request)
  const digests = context.digests.open(['sha256'])
  const sink = new FillSink(part.handle, digests, (written) => flight.advance(written))
  try {
    await reader.open()
    await reader.send(sink, signal, { pump: true })
    await new Promise<void>((resolve, reject) => {
      sink.once('error', reject)
      sink.end(resolve)
    })
  } catch (error) {
    digests.drop()
    sink.destroy()
    throw new FillError(sink.diskError === undefined ? 'origin' : 'disk', sink.diskError ?? error)
  } finally {
    await sink.idle()
  }
  if (sink.diskError !== undefined) throw new FillError('disk', sink.diskError)
  const { sha256 } = await digests.end()
  if (sink.written !== flight.size || sha256 !== key.sha256) {
    throw new FillError('wrong', new Error(`${sink.written} bytes came, with another digest`))
  }
}

/**
 * Fills the part that this process claimed, and gives it its name when it is complete, right and on
 * the disk. Returns whether it is in the cache now. Throws FillError; nothing of it is left then.
 */
export async function runFill(context: FillContext, fill: Fill): Promise<boolean> {
  const { folder, signal } = context
  const { key, part, flight } = fill
  const alive = setInterval(() => {
    const now = new Date()
    part.handle.utimes(now, now).catch(() => {})
  }, ALIVE_MS).unref()
  try {
    await receive(context, fill, signal)
    flight.verify()
    return await keep(context, fill)
  } catch (error) {
    const isWrong = error instanceof FillError && error.kind === 'wrong'
    // tells readers in other processes, who hold the file open, that it was not the image
    if (isWrong) await part.handle.truncate(0).catch(() => {})
    await folder.discard(part, key).catch(() => {})
    flight.settle(isWrong ? 'wrong' : 'failed')
    throw error
  } finally {
    clearInterval(alive)
  }
}

async function keep(
  { folder, signal }: FillContext,
  { part, key, flight }: Fill
): Promise<boolean> {
  try {
    await part.handle.datasync()
    signal.throwIfAborted()
    const isKept = await folder.publish(part, key)
    flight.settle('complete')
    return isKept
  } catch (error) {
    throw new FillError('disk', error)
  }
}
