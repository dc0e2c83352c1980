import { addAbortSignal, Readable } from 'node:stream'
import {
  defineStorePlugin,
  type GetOptions,
  type ImageSource,
  type ImageStat,
  type PutOptions,
  type StoredEntry,
  type StoredImage,
  StoreError,
  type StorePluginOptions,
  type WritableStore
} from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import { type Static, Type } from 'typebox'

/** Tank checks the options of the configuration against this, and fills in the defaults. */
const options = Type.Object({
  maxBytes: Type.Integer({ minimum: 1, description: 'Bytes of all images together.' })
})

type MemoryStoreOptions = Static<typeof options>

interface Image {
  readonly bytes: Buffer
  readonly modified: Date
}

/** The "backend": a disk or a server in a real store. `used` also counts what is still coming in. */
export interface Memory {
  readonly images: Map<string, Image>
  used: number
}

export function createMemory(): Memory {
  return { images: new Map(), used: 0 }
}

/** Opens a store that keeps images in memory. Real stores do not wait for their backend here. */
export async function openMemoryStore(
  { maxBytes }: MemoryStoreOptions,
  memory: Memory = createMemory()
): Promise<WritableStore> {
  return new MemoryStore(maxBytes, memory)
}

/**
 * A store is an object with these methods; a capability that it lacks is a method that it lacks.
 * Tank wraps it (see `guard` in @tank/store), so keys and ranges are right when they come here, and
 * errors that are no StoreError leave as `FAILED`.
 */
class MemoryStore implements WritableStore {
  readonly type = 'memory'
  readonly features = { ranges: true, unknownSize: true, exclusive: true }
  readonly #maxBytes: number
  readonly #memory: Memory

  constructor(maxBytes: number, memory: Memory) {
    this.#maxBytes = maxBytes
    this.#memory = memory
  }

  async stat(key: string): Promise<ImageStat> {
    return { size: this.#find(key).bytes.length }
  }

  /** Rejects before there is a body: "not found" must not be an error in the middle of one. */
  async get(key: string, { range }: GetOptions = {}): Promise<ImageSource> {
    const { bytes } = this.#find(key)
    const { offset, length } = range ?? { offset: 0, length: bytes.length }
    const parts = slices(bytes.subarray(offset, offset + length))
    return { size: bytes.length, body: Readable.from(parts, { objectMode: false }) }
  }

  /** All or nothing: the image appears in one step, when all its bytes are there. */
  async put(key: string, body: Readable, { size, signal }: PutOptions = {}): Promise<StoredImage> {
    const chunks: Buffer[] = []
    let taken = 0
    if (signal !== undefined) addAbortSignal(signal, body)
    try {
      this.#assertFree(key)
      for await (const chunk of body) {
        this.#reserve(chunk.length)
        taken += chunk.length
        chunks.push(chunk)
      }
      if (size !== undefined && taken !== size) {
        throw new StoreError('SIZE_MISMATCH', `expected ${size} bytes, got ${taken}`)
      }
      // Again: of two puts of one key at once, the other may have been faster.
      this.#assertFree(key)
      this.#memory.images.set(key, { bytes: Buffer.concat(chunks), modified: new Date() })
      return { size: taken }
    } catch (error) {
      this.#memory.used -= taken
      throw error
    } finally {
      body.destroy()
    }
  }

  /** Succeeds when nothing is there, too, so that it can be repeated. */
  async delete(key: string): Promise<void> {
    this.#memory.used -= this.#memory.images.get(key)?.bytes.length ?? 0
    this.#memory.images.delete(key)
  }

  async copy(from: string, to: string): Promise<StoredImage> {
    const { bytes } = this.#find(from)
    this.#assertFree(to)
    this.#reserve(bytes.length)
    this.#memory.images.set(to, { bytes, modified: new Date() })
    return { size: bytes.length }
  }

  async *list(): AsyncGenerator<StoredEntry> {
    for (const [key, { bytes, modified }] of this.#memory.images) {
      yield { key, size: bytes.length, modified, complete: true }
    }
  }

  #find(key: string): Image {
    const image = this.#memory.images.get(key)
    if (image === undefined) throw new StoreError('NOT_FOUND', 'there is no image at this key')
    return image
  }

  #assertFree(key: string): void {
    if (!this.#memory.images.has(key)) return
    throw new StoreError('EXISTS', 'there is an image at this key')
  }

  #reserve(bytes: number): void {
    if (this.#memory.used + bytes > this.#maxBytes) {
      throw new StoreError('FULL', 'the memory is used up')
    }
    this.#memory.used += bytes
  }
}

/** In parts, so that a slow reader holds little and an abort ends the body in its middle. */
function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

const storeMemory: FastifyPluginAsync<MemoryStoreOptions & StorePluginOptions> = defineStorePlugin({
  name: 'memory',
  options,
  open: (given) => openMemoryStore(given)
})

export default storeMemory
