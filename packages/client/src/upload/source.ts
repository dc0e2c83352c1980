import { createReadStream, ReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { isTankClientError, TankClientError } from '../errors.ts'

/** Bytes to send: a path, bytes in memory, or anything that brings them bit by bit. */
export type UploadSource =
  | ReplayableSource
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

export interface OpenSource {
  readonly stream: Readable
  /** bytes, undefined while nobody knows */
  readonly size: number | undefined
}

/** Bytes that are read at once. */
const BLOCK = 1024 * 1024
/** Bytes that are sent at once: even over a slow line one of these soon follows another. */
const PIECE = 256 * 1024

/** A source that belongs to the upload from now on. */
export interface TakenSource {
  /** True when it can be read again from its beginning. */
  readonly isReplayable: boolean
  /** Opens it; `size` is for streams, whose length only their owner knows. */
  open(size?: number): Promise<OpenSource>
  /** Destroys a stream, whether or not anybody has read it. */
  release(): void
}

/** Takes the source over at once: a stream may fail long before somebody reads it. */
export function takeSource(source: UploadSource): TakenSource {
  if (isReplayable(source)) {
    return { isReplayable: true, open: () => openReplayable(source), release: () => undefined }
  }
  const stream = toReadable(source)
  // whoever opens it sees that it has failed
  stream.on('error', () => undefined)
  return {
    isReplayable: false,
    open: async (size) => ({ stream, size: size ?? (await sizeOfFileStream(source)) }),
    release: () => void stream.destroy()
  }
}

type ReplayableSource = string | URL | Uint8Array | Blob

function isReplayable(source: UploadSource): source is ReplayableSource {
  if (typeof source === 'string') return true
  return source instanceof URL || source instanceof Uint8Array || source instanceof Blob
}

async function openReplayable(source: ReplayableSource): Promise<OpenSource> {
  if (source instanceof Uint8Array) {
    return { stream: Readable.from([source]), size: source.byteLength }
  }
  if (source instanceof Blob) {
    return { stream: Readable.fromWeb(source.stream()), size: source.size }
  }
  return openFile(source)
}

async function openFile(file: string | URL): Promise<OpenSource> {
  try {
    const facts = await stat(file)
    const stream = createReadStream(file, { highWaterMark: BLOCK })
    // a pipe or a device has as many bytes as it brings
    return { stream, size: facts.isFile() ? facts.size : undefined }
  } catch (cause) {
    throw new TankClientError('SOURCE_FAILED', `cannot read ${file}`, { cause })
  }
}

/** Bytes that a stream of a plain file will bring, as long as nobody has read from it. */
async function sizeOfFileStream(source: object): Promise<number | undefined> {
  if (!(source instanceof ReadStream) || source.bytesRead > 0) return undefined
  const { start = 0, end = Number.POSITIVE_INFINITY } = source as { start?: number; end?: number }
  const facts = await stat(source.path).catch(() => undefined)
  if (!facts?.isFile()) return undefined
  return Math.max(Math.min(facts.size, end + 1) - start, 0)
}

function toReadable(
  source: Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>
): Readable {
  if (source instanceof Readable) return source
  if (source instanceof ReadableStream) return Readable.fromWeb(source)
  return Readable.from(source, { objectMode: false })
}

/** The bytes of a stream in pieces; rejects with `SOURCE_FAILED`. */
export async function* toPieces(stream: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of stream) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      if (!(bytes instanceof Uint8Array)) throw new TypeError('a chunk is neither bytes nor text')
      for (let at = 0; at < bytes.byteLength; at += PIECE) yield bytes.subarray(at, at + PIECE)
    }
  } catch (cause) {
    throw sourceFailed(cause)
  }
}

/** Waits for the first byte where the length is unknown: when none comes, that is 0. */
export async function awaitBytes(source: OpenSource): Promise<OpenSource> {
  if (source.size !== undefined || source.stream.destroyed) return source
  const pieces = toPieces(source.stream)
  const first = await pieces.next()
  if (first.done === true) return { stream: Readable.from([]), size: 0 }
  const all = async function* () {
    yield first.value
    yield* pieces
  }
  return { stream: Readable.from(all()), size: undefined }
}

export function sourceFailed(cause: unknown): TankClientError {
  if (isTankClientError(cause, 'SOURCE_FAILED')) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  const message = `the bytes to upload could not be read: ${text}`
  return new TankClientError('SOURCE_FAILED', message, { cause })
}
