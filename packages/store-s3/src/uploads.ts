import { setTimeout as sleep } from 'node:timers/promises'
import { isStoreError, StoreError } from '@tank/store'
import type { Bucket } from './bucket.ts'
import type { CallOptions } from './calls.ts'
import type { UploadId } from './multipart.ts'

export interface Upload extends UploadId {
  /** Name of the object, prefix included. */
  readonly name: string
  readonly started: Date | undefined
}

/** Multipart uploads under way, or left by writers that died, whose names begin with `prefix`. */
export async function* listUploads(
  bucket: Bucket,
  prefix: string,
  strip: number,
  options: CallOptions
): AsyncGenerator<Upload> {
  let after: { key?: string | undefined; id?: string | undefined } = {}
  for (;;) {
    const page = await bucket.uploads(prefix, after, options)
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined) continue
      yield { name: Key, key: Key.slice(strip), id: UploadId, started: Initiated }
    }
    if (page.IsTruncated !== true) return
    const next = { key: page.NextKeyMarker, id: page.NextUploadIdMarker }
    if (next.key === after.key && next.id === after.id) throw noProgress()
    after = next
  }
}

/** The parts that an upload has, in bytes; undefined when there is no such upload. */
export async function uploadedBytes(
  bucket: Bucket,
  upload: UploadId,
  options: CallOptions
): Promise<number | undefined> {
  let bytes = 0
  let after: string | undefined
  try {
    for (;;) {
      const page = await bucket.parts(upload, after, options)
      for (const { Size = 0 } of page.Parts ?? []) bytes += Size
      if (page.IsTruncated !== true) return bytes
      if (page.NextPartNumberMarker === after) throw noProgress()
      after = page.NextPartNumberMarker
    }
  } catch (error) {
    if (isStoreError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

const ROUNDS = 20

/**
 * Aborts an upload until the server knows nothing of it: a part that was on its way while an upload
 * was aborted may still be stored, and then has to be aborted again.
 */
export async function abortUntilGone(
  bucket: Bucket,
  upload: UploadId,
  options: CallOptions
): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0)
      await sleep(Math.min(1000, 50 * 2 ** round), undefined, { signal: options.signal })
    await bucket.abortUpload(upload, options).catch((error: unknown) => {
      if (!isStoreError(error, 'NOT_FOUND')) throw error
    })
    const left = await bucket.parts(upload, undefined, options).catch((error: unknown) => {
      if (!isStoreError(error, 'NOT_FOUND')) throw error
    })
    if (left === undefined) return
  }
  throw new StoreError('UNAVAILABLE', 'the server does not end an upload that was aborted')
}

/** Aborts every upload of one key, whoever began it. */
export async function removeUploads(
  bucket: Bucket,
  key: string,
  options: CallOptions
): Promise<void> {
  const name = bucket.at(key).Key
  const found: Upload[] = []
  // Other names may begin with this one.
  for await (const upload of listUploads(bucket, name, name.length - key.length, options)) {
    if (upload.name === name) found.push(upload)
  }
  for (const upload of found) await abortUntilGone(bucket, upload, options)
}

export function noProgress(): StoreError {
  return new StoreError('FAILED', 'the server sends the same page of its listing again')
}
