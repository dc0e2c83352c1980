import { PassThrough } from 'node:stream'
import type { DownloadJob } from './request.ts'
import { downloadToStream } from './to-stream.ts'

/** Bytes that are fetched before anybody wants them. */
const AHEAD = 1024 * 1024

/** The bytes one after the other; throws in the end unless they are proved. */
export async function* readBytes(job: DownloadJob): AsyncGenerator<Buffer, void, undefined> {
  const through = new PassThrough({ highWaterMark: AHEAD })
  const left = new AbortController()
  const { signal } = job.options
  const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal])
  const options = { ...job.options, signal: either }
  let failure: { readonly reason: unknown } | undefined
  const ended = downloadToStream({ ...job, options }, through).catch((reason: unknown) => {
    failure = { reason }
  })
  try {
    yield* through
  } catch (error) {
    await ended
    throw failure === undefined ? error : failure.reason
  } finally {
    left.abort()
    through.destroy()
    await ended
  }
}
