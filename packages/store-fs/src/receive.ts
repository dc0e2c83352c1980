import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { isStoreError, StoreError } from '@tank/store'
import type { Settings } from './options.ts'

export interface ReceiveOptions extends Pick<Settings, 'blockSize' | 'flushBytes' | 'fsync'> {
  /** The declared size. */
  readonly size: number | undefined
  readonly signal: AbortSignal | undefined
}

// A body of tiny chunks must not make a batch of a million of them.
const MAX_CHUNKS = 1024

/** Writes a body to a file and says how many bytes came. On failure the body is destroyed. */
export function receive(
  handle: FileHandle,
  body: Readable,
  options: ReceiveOptions
): Promise<number> {
  return new Receiver(handle, body, options).run()
}

/**
 * Chunks gather while one write runs, and go out together with the next: far fewer and larger
 * writes than chunks, without copying any. Flushing starts early and runs beside the writing, so
 * that the disk works from the start and the last flush is short.
 */
class Receiver {
  readonly #handle: FileHandle
  readonly #body: Readable
  readonly #options: ReceiveOptions
  #batch: Uint8Array[] = []
  #batchBytes = 0
  #received = 0
  #written = 0
  #flushed = 0
  #writing = false
  #flushing = false
  #paused = false
  #ended = false
  #failed = false
  #failure: unknown
  #settle: (() => void) | undefined

  constructor(handle: FileHandle, body: Readable, options: ReceiveOptions) {
    this.#handle = handle
    this.#body = body
    this.#options = options
  }

  async run(): Promise<number> {
    const { signal, size } = this.#options
    const body = this.#body
    const onAbort = () => this.#fail(signal?.reason)
    const onError = (error: unknown) => this.#fail(sourceError(error))
    const onClose = () => {
      if (!this.#ended) this.#fail(sourceError(body.errored))
    }
    const onData = (chunk: Uint8Array) => this.#onData(chunk)
    const onEnd = () => this.#onEnd()
    const done = new Promise<void>((resolve) => {
      this.#settle = resolve
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    body.on('error', onError).on('close', onClose).on('end', onEnd).on('data', onData)
    if (signal?.aborted) onAbort()
    else if (body.destroyed || body.readableEnded) onClose()
    else body.resume()
    await done
    signal?.removeEventListener('abort', onAbort)
    body.off('data', onData).off('end', onEnd).off('close', onClose)
    if (!this.#failed && size !== undefined && this.#received !== size) {
      this.#fail(mismatch(size, this.#received))
    }
    if (this.#failed) {
      // 'error' keeps its listener: the body may still tell of its end.
      body.destroy()
      throw this.#failure
    }
    body.off('error', onError)
    return this.#received
  }

  #onData(chunk: Uint8Array): void {
    if (this.#failed) return
    if (!(chunk instanceof Uint8Array)) {
      this.#fail(new StoreError('FAILED', 'the body does not consist of bytes'))
      return
    }
    const { size, blockSize } = this.#options
    this.#received += chunk.byteLength
    if (size !== undefined && this.#received > size) {
      this.#fail(mismatch(size, this.#received))
      return
    }
    this.#batch.push(chunk)
    this.#batchBytes += chunk.byteLength
    if (!this.#writing) {
      if (this.#isDue()) void this.#write()
    } else if (this.#batchBytes >= 2 * blockSize || this.#batch.length >= 2 * MAX_CHUNKS) {
      this.#paused = true
      this.#body.pause()
    }
  }

  #isDue(): boolean {
    if (this.#ended) return this.#batchBytes > 0
    return this.#batchBytes >= this.#options.blockSize || this.#batch.length >= MAX_CHUNKS
  }

  #onEnd(): void {
    this.#ended = true
    if (!this.#writing) void this.#write()
  }

  async #write(): Promise<void> {
    this.#writing = true
    try {
      while (!this.#failed && this.#isDue()) {
        const batch = this.#batch
        const bytes = this.#batchBytes
        this.#batch = []
        this.#batchBytes = 0
        if (this.#paused) {
          this.#paused = false
          this.#body.resume()
        }
        await this.#writeAll(batch, bytes)
        this.#written += bytes
        this.#flushEarly()
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#writing = false
    this.#settleWhenIdle()
  }

  /** A write may take less than it was given. */
  async #writeAll(batch: Uint8Array[], bytes: number): Promise<void> {
    let rest = batch
    let done = 0
    while (done < bytes) {
      const { bytesWritten } = await this.#handle.writev(rest, this.#written + done)
      if (bytesWritten === 0) throw new StoreError('FAILED', 'the file takes no more bytes')
      done += bytesWritten
      if (done < bytes) rest = after(rest, bytesWritten)
    }
  }

  #flushEarly(): void {
    const { fsync, flushBytes } = this.#options
    if (!fsync || flushBytes === 0 || this.#flushing) return
    if (this.#written - this.#flushed < flushBytes) return
    this.#flushed = this.#written
    this.#flushing = true
    this.#handle
      .datasync()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#flushing = false
        this.#settleWhenIdle()
      })
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
    this.#batch = []
    this.#batchBytes = 0
    this.#body.pause()
    this.#settleWhenIdle()
  }

  /** The file must not be closed while a write or a flush of it runs. */
  #settleWhenIdle(): void {
    if (this.#writing || this.#flushing) return
    if (this.#failed || (this.#ended && this.#batchBytes === 0)) this.#settle?.()
  }
}

function after(batch: Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const first = batch.findIndex((chunk) => {
    if (skip < chunk.byteLength) return true
    skip -= chunk.byteLength
    return false
  })
  return batch.slice(first).map((chunk, index) => (index === 0 ? chunk.subarray(skip) : chunk))
}

function mismatch(size: number, received: number): StoreError {
  return new StoreError('SIZE_MISMATCH', `${size} bytes were declared, ${received} came`)
}

function sourceError(cause: unknown): StoreError {
  if (isStoreError(cause)) return cause
  return new StoreError('FAILED', 'the body ended before its end', { cause })
}
