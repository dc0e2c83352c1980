import { Writable } from 'node:stream'
import { WritableStream } from 'node:stream/web'
import { fileURLToPath } from 'node:url'
import type { DownloadJob, DownloadResult, DownloadTarget } from './request.ts'
import { downloadToFile } from './to-file.ts'
import { downloadToStream } from './to-stream.ts'

/** Writes the bytes to wherever they are wanted. */
export function downloadTo(job: DownloadJob, to: DownloadTarget): Promise<DownloadResult> {
  if (typeof to === 'string') return downloadToFile(job, to)
  if (to instanceof URL) return downloadToFile(job, fileURLToPath(to))
  return downloadToStream(job, to instanceof WritableStream ? Writable.fromWeb(to) : to)
}
