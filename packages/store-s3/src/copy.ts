import type { CallOptions, StoredImage } from '@tank/store'
import { Attempt, following } from './attempt.ts'
import { taken } from './errors.ts'
import type { FinishedPart, UploadId } from './multipart.ts'
import { MAX_PARTS } from './part-sizes.ts'
import type { PutContext } from './put.ts'
import type { Source } from './requests.ts'

/** Has the server copy an image: in one request up to `copyPartSize`, else part by part. */
export async function copyImage(
  context: PutContext,
  from: string,
  to: string,
  { signal }: CallOptions
): Promise<StoredImage> {
  const { bucket, chores, settings } = context
  const { exclusive, copyPartSize } = settings
  const { size, etag } = await bucket.head(from, { signal })
  const attempt = new Attempt({ bucket, chores, exclusive, key: to, signal })
  const stop = following(signal)
  try {
    const source = { key: from, etag }
    if (size > copyPartSize) {
      const upload = await attempt.begin(stop.signal)
      const parts = await copyParts(context, upload, source, size, stop.signal)
      await attempt.complete(parts, size)
    } else {
      // Servers heed the condition on a put, but not all of them on a copy.
      if (exclusive && (await bucket.find(to, { signal })) !== undefined) throw taken()
      await attempt.publish((signal) => bucket.copy(source, to, attempt.tag, { signal }))
    }
    return { size }
  } catch (error) {
    stop.abort(error)
    await attempt.undo()
    throw signal?.aborted ? signal.reason : error
  } finally {
    stop.stop()
  }
}

async function copyParts(
  { bucket, settings }: PutContext,
  upload: UploadId,
  source: Source,
  size: number,
  signal: AbortSignal
): Promise<FinishedPart[]> {
  const partSize = Math.max(settings.copyPartSize, Math.ceil(size / MAX_PARTS))
  const finished: FinishedPart[] = []
  let next = 0
  const worker = async () => {
    for (let offset = next; offset < size; offset = next) {
      next = offset + partSize
      const range = { offset, length: Math.min(partSize, size - offset) }
      const number = offset / partSize + 1
      const options = { signal, patient: true }
      finished.push(await bucket.copyPart(upload, number, { ...source, range }, options))
    }
  }
  await Promise.all(Array.from({ length: settings.concurrency }, worker))
  return finished
}
