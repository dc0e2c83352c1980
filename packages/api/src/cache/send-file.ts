import type { Writable } from 'node:stream'
import type { ByteRange } from '@tank/store'
import type { FlightEnd, ReadableFile } from './flight.ts'

/** The cache cannot give the bytes; the client is not to blame. */
export class CacheReadError extends Error {
  override readonly name = 'CacheReadError'
  /** The bytes that were sent are not those of the image. */
  readonly isWrong: boolean

  constructor(message: string, options: ErrorOptions & { readonly isWrong?: boolean } = {}) {
    super(message, options)
    this.isWrong = options.isWrong ?? false
  }
}

/** Two of them a reader: one is read into while the other one is sent. */
const BLOCK = 128 * 1024

/** Rejects when the signal aborts; for as many races as a reader needs. */
export function aborted(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  promise.catch(() => {})
  return promise
}

function unusable(end: FlightEnd | undefined): CacheReadError {
  return end === 'wrong'
    ? new CacheReadError('the bytes that came do not have the digest of the image', {
        isWrong: true
      })
    : new CacheReadError('the image did not come to its end')
}

/** Waits until there is something behind `position`; returns how much. */
export async function waitForBytes(
  file: ReadableFile,
  position: number,
  stopped: Promise<never>
): Promise<number> {
  for (;;) {
    const change = file.changed()
    if (file.end === 'wrong') throw unusable('wrong')
    if (file.readable > position) return file.readable - position
    if (file.end !== undefined) throw unusable(file.end)
    await Promise.race([change, stopped])
  }
}

function write(to: Writable, chunk: Buffer, stopped: Promise<never>): Promise<void> {
  const written = new Promise<void>((resolve, reject) => {
    to.write(chunk, (error) => (error ? reject(error) : resolve()))
  })
  const first = Promise.race([written, stopped])
  first.catch(() => {})
  return first
}

async function read(
  { handle }: ReadableFile,
  block: Buffer,
  length: number,
  position: number
): Promise<Buffer> {
  const { bytesRead } = await handle.read(block, 0, length, position).catch((cause: unknown) => {
    throw new CacheReadError('the file cannot be read', { cause })
  })
  // cut to nothing by its writer, who found the bytes to be wrong
  if (bytesRead === 0) throw unusable('wrong')
  return block.subarray(0, bytesRead)
}

/**
 * Sends a part of a file, as fast as it grows and the receiver takes it, and does not end `to`.
 * Throws CacheReadError when the file does not have it; `sent` says how far it came.
 */
export async function sendFile(
  file: ReadableFile,
  { offset, length }: ByteRange,
  to: Writable,
  { signal, onSent }: { readonly signal: AbortSignal; readonly onSent: (bytes: number) => void }
): Promise<void> {
  const stopped = aborted(signal)
  const size = Math.min(BLOCK, length)
  const blocks = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const
  const end = offset + length
  let pending: Promise<void> = Promise.resolve()
  try {
    for (let position = offset, turn = 0; position < end; turn ^= 1) {
      const ready = await waitForBytes(file, position, stopped)
      const block = turn === 0 ? blocks[0] : blocks[1]
      const chunk = await read(file, block, Math.min(size, ready, end - position), position)
      await pending
      pending = write(to, chunk, stopped)
      position += chunk.length
      onSent(chunk.length)
    }
  } finally {
    await pending
  }
}
