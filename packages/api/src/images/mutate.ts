import { setTimeout as sleep } from 'node:timers/promises'
import type { RawDocument, RegistryClient } from '@tank/client'
import {
  type ImageDocument,
  isTankError,
  type RegistryCaller,
  TankError,
  type UpdateImage
} from '@tank/model'

const GIVE_UP_MS = 30_000
const LONGEST_PAUSE_MS = 100

/** The record inside a raw document. */
export function parseDocument(raw: RawDocument): ImageDocument {
  return JSON.parse(raw.body.toString()) as ImageDocument
}

/**
 * Runs tasks for one key one after the other. Writers of one image in one process do not have to meet
 * in the registry: only writers in different processes do.
 */
class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(task, task)
    this.#tails.set(key, result)
    const forget = () => {
      if (this.#tails.get(key) === result) this.#tails.delete(key)
    }
    result.then(forget, forget)
    return result
  }
}

export interface ImageMutator {
  /**
   * Changes an image by compare-and-set: reads it, asks `change` for the new fields, writes them, and
   * starts again when another writer was faster. `change` may throw; undefined means "leave it".
   */
  update(
    caller: RegistryCaller,
    id: string,
    change: (image: ImageDocument) => UpdateImage | undefined | Promise<UpdateImage | undefined>
  ): Promise<RawDocument>
  /**
   * Runs `write` with the image as it is, and again when another writer was faster: it has to reject
   * with VERSION_CONFLICT then.
   */
  write<T>(caller: RegistryCaller, id: string, write: (raw: RawDocument) => Promise<T>): Promise<T>
  /** Deletes an image that still is what `check` has seen. */
  delete(caller: RegistryCaller, id: string, check: (image: ImageDocument) => void): Promise<void>
}

export function createImageMutator(registry: RegistryClient): ImageMutator {
  const queue = new KeyedQueue()

  async function compareAndSet<T>(
    caller: RegistryCaller,
    id: string,
    write: (raw: RawDocument) => Promise<T>
  ): Promise<T> {
    const giveUpAt = Date.now() + GIVE_UP_MS
    for (let tries = 1; ; tries++) {
      const raw = await registry.getImage(caller, id)
      try {
        return await write(raw)
      } catch (error) {
        if (!isTankError(error, 'VERSION_CONFLICT')) throw error
        if (Date.now() > giveUpAt) {
          throw new TankError('IMAGE_BUSY', 'Too many writers at once; try again', { cause: error })
        }
        await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, 4 * tries))
      }
    }
  }

  return {
    update: (caller, id, change) =>
      queue.run(id.toLowerCase(), () =>
        compareAndSet(caller, id, async (raw) => {
          const fields = await change(parseDocument(raw))
          return fields === undefined ? raw : registry.updateImage(caller, id, raw.version, fields)
        })
      ),
    write: (caller, id, write) =>
      queue.run(id.toLowerCase(), () => compareAndSet(caller, id, write)),
    delete: (caller, id, check) =>
      queue.run(id.toLowerCase(), () =>
        compareAndSet(caller, id, async (raw) => {
          check(parseDocument(raw))
          await registry.deleteImage(caller, id, raw.version)
        })
      )
  }
}
