import { type CallOptions, isKey, type StoredEntry } from '@tank/store'
import type { Bucket } from './bucket.ts'
import { listUploads, noProgress, uploadedBytes } from './uploads.ts'

interface Left {
  size: number
  modified: Date | undefined
}

/**
 * Everything below the prefix that is named as the store names it: objects, and what unfinished
 * uploads take. The uploads come first, so that one which ends meanwhile is seen as an object.
 */
export async function* listImages(
  bucket: Bucket,
  prefix: string,
  options: CallOptions
): AsyncGenerator<StoredEntry> {
  const left = await findLeft(bucket, prefix, options)
  let after: string | undefined
  for (;;) {
    const page = await bucket.objects(after, options)
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      const key = Key.slice(prefix.length)
      if (!isKey(key)) continue
      const more = left.get(key)
      left.delete(key)
      const modified = later(LastModified, more?.modified)
      yield { key, size: Size + (more?.size ?? 0), modified, complete: true }
    }
    if (page.IsTruncated !== true) break
    if (page.NextContinuationToken === after) throw noProgress()
    after = page.NextContinuationToken
  }
  for (const [key, { size, modified }] of left) yield { key, size, modified, complete: false }
}

async function findLeft(
  bucket: Bucket,
  prefix: string,
  options: CallOptions
): Promise<Map<string, Left>> {
  const left = new Map<string, Left>()
  for await (const upload of listUploads(bucket, prefix, prefix.length, options)) {
    if (!isKey(upload.key)) continue
    const size = await uploadedBytes(bucket, upload, options)
    if (size === undefined) continue
    const known = left.get(upload.key)
    left.set(upload.key, {
      size: size + (known?.size ?? 0),
      modified: later(upload.started, known?.modified)
    })
  }
  return left
}

function later(one: Date | undefined, two: Date | undefined): Date | undefined {
  if (one === undefined || two === undefined) return one ?? two
  return one > two ? one : two
}
