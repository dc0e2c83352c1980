import { type StoredImage, StoreError } from '@tank/store'
import type { Container } from './container.ts'
import type { Limits } from './limits.ts'
import { type Part, readSegments, sizeOf } from './manifest.ts'
import type { ObjectWriter } from './object-writer.ts'
import type { Stopper } from './stopper.ts'

export interface CopyParts {
  readonly container: Container
  readonly writer: ObjectWriter
  readonly stopper: Stopper
  readonly concurrency: number
  limits(): Promise<Limits>
}

/**
 * Has the server copy an image. Segments are copied one by one, so that the copy lives on when the
 * original is deleted: a copied manifest would still name the original's segments.
 */
export async function copyImage(from: string, parts: CopyParts): Promise<StoredImage> {
  const { container, writer, stopper } = parts
  const { signal } = stopper
  const name = container.names.image(from)
  const head = await container.head(name, { signal })
  if (head === undefined) throw new StoreError('NOT_FOUND', 'there is no image at this key')
  await writer.assertFree()
  const { size = 0, etag = '' } = head
  if (!head.isManifest) {
    await writer.publishCopy({ name, size, etag })
    return { size }
  }
  const segments = await readSegments(container, from, head, { signal })
  if (sizeOf(segments.parts) !== size) {
    throw new StoreError('FAILED', 'the manifest and the segments of the image do not agree')
  }
  await copySegments(segments.parts, parts)
  await writer.publishSegments(await parts.limits())
  return { size }
}

async function copySegments(segments: readonly Part[], parts: CopyParts): Promise<void> {
  const { writer, stopper, concurrency } = parts
  const left = segments.entries()
  const work = async () => {
    try {
      for (const [index, segment] of left) {
        stopper.assertGoing()
        await writer.copySegment(index, segment)
      }
    } catch (error) {
      stopper.stop(error)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  stopper.assertGoing()
}
