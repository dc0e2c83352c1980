import type { Writable } from 'node:stream'
import { BlobReader, type ReadContext, type ReadRequest } from '../download/blob-reader.ts'
import type { ReadableFile } from './flight.ts'
import { aborted, CacheReadError, sendFile, waitForBytes } from './send-file.ts'

/**
 * The bytes of an image from a file of the cache. When the file cannot give all of them the stores
 * give the rest: what was read once is not lost for those who wait for more.
 */
export class CachedReader {
  readonly #context: ReadContext
  readonly #request: ReadRequest
  readonly #file: ReadableFile
  readonly #size: number

  constructor(context: ReadContext, request: ReadRequest, file: ReadableFile, size: number) {
    this.#context = context
    this.#request = request
    this.#file = file
    this.#size = size
  }

  /** Settles when there is something to send; false: there never will be, and the file is let go. */
  async open(): Promise<boolean> {
    const { range, signal } = this.#request
    if (this.#size === 0) return true
    try {
      await waitForBytes(this.#file, range?.offset ?? 0, aborted(signal))
      return true
    } catch (error) {
      await this.#file.release()
      if (signal.aborted) throw error
      return false
    }
  }

  /** Writes everything to `to` and does not end it. After a rejection `to` may hold a part. */
  async send(to: Writable, signal: AbortSignal, how: { readonly pump: boolean }): Promise<void> {
    const { range = { offset: 0, length: this.#size }, log, data } = this.#request
    let sent = 0
    const onSent = (bytes: number) => {
      sent += bytes
    }
    try {
      await sendFile(this.#file, range, to, { signal, onSent })
      return
    } catch (error) {
      const mayGoOn = error instanceof CacheReadError && !error.isWrong
      if (signal.aborted || to.destroyed || !mayGoOn) throw error
      log.warn({ err: error, imageId: data.id, sent }, 'the stores go on where the cache ended')
    } finally {
      await this.#file.release()
    }
    const rest = this.#rest({ offset: range.offset + sent, length: range.length - sent })
    await rest.open()
    await rest.send(to, signal, how)
  }

  #rest(range: { readonly offset: number; readonly length: number }): BlobReader {
    const { data } = this.#request
    const { stores } = this.#context
    if (range.offset === 0 && range.length === this.#size) {
      return new BlobReader(this.#context, { ...this.#request, range: undefined })
    }
    // an outside location may hold other bytes by now
    const placements = data.placements.filter(
      ({ role, store }) => role === 'data' && stores.get(store)?.features.ranges === true
    )
    return new BlobReader(this.#context, {
      ...this.#request,
      data: { ...data, placements },
      range
    })
  }
}
