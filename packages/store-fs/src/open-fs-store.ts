import { randomUUID } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import {
  type CallOptions,
  type GetOptions,
  type ImageSource,
  type ImageStat,
  isStoreError,
  type PutOptions,
  type StoreContext,
  type StoredEntry,
  type StoredImage,
  StoreError,
  type WritableStore
} from '@tank/store'
import { toStoreError } from './errors.ts'
import { FileSource } from './file-source.ts'
import { Layout } from './layout.ts'
import { listFiles } from './list-files.ts'
import { openImage } from './open-image.ts'
import type { FsStoreOptions, Settings } from './options.ts'
import { addName, createTemp, publish, removeFile } from './publish.ts'
import { receive } from './receive.ts'

const MiB = 1024 * 1024

/** Opens a store that keeps each image as a file. Touches the disk only when it is used. */
export async function openFsStore(
  options: FsStoreOptions,
  context?: Pick<StoreContext, 'log'>
): Promise<WritableStore> {
  return new FsStore(withDefaults(options), context?.log)
}

function withDefaults(options: FsStoreOptions): Settings {
  return {
    root: resolve(options.root),
    requireMount: options.requireMount ?? false,
    fsync: options.fsync ?? true,
    blockSize: options.blockSize ?? MiB,
    flushBytes: options.flushBytes ?? 64 * MiB,
    fileMode: Number.parseInt(options.fileMode ?? '0640', 8),
    dirMode: Number.parseInt(options.dirMode ?? '0750', 8)
  }
}

class FsStore implements WritableStore {
  readonly type = 'fs'
  readonly features = { ranges: true, unknownSize: true, exclusive: true, local: true }
  readonly #settings: Settings
  readonly #layout: Layout
  readonly #log: StoreContext['log'] | undefined

  constructor(settings: Settings, log: StoreContext['log'] | undefined) {
    this.#settings = settings
    this.#layout = new Layout(settings)
    this.#log = log
  }

  stat(key: string, options: CallOptions = {}): Promise<ImageStat> {
    return translated(options.signal, async () => {
      const { handle, size } = await openImage(this.#layout, this.#layout.place(key))
      await handle.close()
      return { size }
    })
  }

  get(key: string, { range, signal }: GetOptions = {}): Promise<ImageSource> {
    return translated(signal, async () => {
      const { handle, size } = await openImage(this.#layout, this.#layout.place(key))
      try {
        signal?.throwIfAborted()
        const { offset, length } = range ?? { offset: 0, length: size }
        if (offset + length > size) {
          throw new StoreError('BAD_RANGE', 'the range reaches past the end of the image')
        }
        return new FileSource(size, { handle, offset, length })
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  async put(key: string, body: Readable, options: PutOptions = {}): Promise<StoredImage> {
    // The body may fail before anybody reads it; `receive` then finds that out.
    body.on('error', () => {})
    try {
      return await translated(options.signal, () => this.#put(key, body, options))
    } finally {
      body.destroy()
    }
  }

  async #put(key: string, body: Readable, { size, signal }: PutOptions): Promise<StoredImage> {
    const layout = this.#layout
    const place = layout.place(key)
    await layout.prepare(place)
    signal?.throwIfAborted()
    const handle = await createTemp(place)
    try {
      const stored = await receive(handle, body, { ...this.#settings, size, signal })
      await publish(handle, place, layout, this.#settings, signal)
      return { size: stored }
    } catch (error) {
      await this.#discard(handle, place.temp)
      throw error
    }
  }

  async #discard(handle: FileHandle, temp: string): Promise<void> {
    // The caller is to hear of the first failure; what stays is found by `delete`.
    const warn = (err: unknown) => this.#log?.warn({ err }, 'cannot remove a temporary file')
    await handle.close().catch(warn)
    await removeFile(temp).catch(warn)
  }

  delete(key: string, options: CallOptions = {}): Promise<void> {
    return translated(options.signal, async () => {
      const place = this.#layout.place(key)
      try {
        await this.#layout.enter(place)
      } catch (error) {
        if (isStoreError(error, 'NOT_FOUND')) return
        throw error
      }
      // In this order: a put that is about to publish loses its file, and can do so no more.
      await removeFile(place.temp)
      await removeFile(place.final)
      // Even when nothing was there: an earlier delete may have failed between the two steps.
      await this.#layout.flush(place.dir)
    })
  }

  async *list({ signal }: CallOptions = {}): AsyncGenerator<StoredEntry> {
    const entries = listFiles(this.#layout, signal)
    for (;;) {
      const step = await translated(signal, () => entries.next())
      if (step.done === true) return
      yield step.value
    }
  }

  url(key: string): URL {
    return pathToFileURL(this.#layout.place(key).final)
  }

  /** Does once what a put does, in the root itself. */
  check(options: CallOptions = {}): Promise<void> {
    return translated(options.signal, async () => {
      const { root, fsync } = this.#settings
      await this.#layout.prepareRoot()
      const probe = join(root, `.probe-${randomUUID()}`)
      const second = `${probe}.link`
      const handle = await open(probe, 'wx', 0o600)
      try {
        await handle.writeFile('tank')
        if (fsync) await handle.datasync()
        await addName(probe, second)
      } finally {
        await handle.close()
        await removeFile(second)
        await removeFile(probe)
      }
      await this.#layout.flush(root)
    })
  }
}

async function translated<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  try {
    signal?.throwIfAborted()
    return await run()
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw toStoreError(error)
  }
}
