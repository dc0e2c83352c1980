import { Readable } from 'node:stream'
import {
  type GetOptions,
  type ImageSource,
  isStoreError,
  type PutOptions,
  type Store,
  StoreError,
  type StoreFeatures
} from '../src/index.ts'

export type Images = Map<string, Buffer>

/** The smallest store that keeps the contract; what a test wants to be different, it overrides. */
export function memoryStore(images: Images, overrides: Partial<Store> = {}): Store {
  const features: StoreFeatures = { ranges: true, unknownSize: true, exclusive: true }
  const find = (key: string) => {
    const bytes = images.get(key)
    if (bytes === undefined) throw new StoreError('NOT_FOUND', 'nothing is here')
    return bytes
  }
  return {
    type: 'memory',
    features,
    async stat(key) {
      return { size: find(key).length }
    },
    async get(key, { range }: GetOptions = {}): Promise<ImageSource> {
      const bytes = find(key)
      const { offset, length } = range ?? { offset: 0, length: bytes.length }
      return { size: bytes.length, body: streamOf(bytes.subarray(offset, offset + length)) }
    },
    async put(key, body, { size, signal }: PutOptions = {}) {
      if (images.has(key)) throw new StoreError('EXISTS', 'something is here')
      const bytes = await gather(body, signal)
      if (size !== undefined && bytes.length !== size) {
        throw new StoreError('SIZE_MISMATCH', 'the size is not what was declared')
      }
      if (images.has(key)) throw new StoreError('EXISTS', 'something came here')
      images.set(key, bytes)
      return { size: bytes.length }
    },
    async delete(key) {
      images.delete(key)
    },
    async copy(from, to) {
      const bytes = find(from)
      images.set(to, Buffer.from(bytes))
      return { size: bytes.length }
    },
    async *list() {
      for (const [key, bytes] of images) {
        yield { key, size: bytes.length, modified: undefined, complete: true }
      }
    },
    url: (key) => new URL(`memory:///${key}`),
    async check() {},
    async close() {},
    ...overrides
  }
}

function streamOf(bytes: Buffer): Readable {
  let at = 0
  return new Readable({
    read() {
      const part = bytes.subarray(at, at + 65_536)
      at += part.length
      this.push(part.length === 0 ? null : part)
    }
  })
}

async function gather(body: Readable, signal: AbortSignal | undefined): Promise<Buffer> {
  const abort = () => body.destroy(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks)
  } catch (cause) {
    if (isStoreError(cause)) throw cause
    throw new StoreError('FAILED', 'the body failed', { cause })
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
