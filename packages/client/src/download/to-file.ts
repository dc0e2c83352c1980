import { createWriteStream } from 'node:fs'
import { TankClientError } from '../errors.ts'
import { downloadParts, NotInParts } from './in-parts.ts'
import { openNewFile, refuseSpecialFiles } from './new-file.ts'
import type { DownloadJob, DownloadResult } from './request.ts'
import { downloadToStream } from './to-stream.ts'

/**
 * Writes the bytes to a file. They go to a file beside it, which takes its name only after size and
 * digest were found right and the bytes are on disk. After a failure nothing is left, unless
 * `resume` asks for it.
 */
export async function downloadToFile(job: DownloadJob, file: string): Promise<DownloadResult> {
  await refuseSpecialFiles(file)
  const { resume = false, parallel = 1 } = job.options
  if (!Number.isSafeInteger(parallel) || parallel < 1) {
    throw new TankClientError('INVALID_REQUEST', `parallel must be 1 or more, not ${parallel}`)
  }
  if (!resume && parallel === 1) return downloadInOne(job, file)
  try {
    return await downloadParts(job, file)
  } catch (error) {
    if (error instanceof NotInParts) return downloadInOne(job, file)
    throw error
  }
}

async function downloadInOne(job: DownloadJob, file: string): Promise<DownloadResult> {
  const target = await openNewFile(file).catch((cause: unknown) => {
    throw new TankClientError('TARGET_FAILED', `${file} cannot be written`, { cause })
  })
  try {
    // By its path: a stream that is destroyed would take the handle along.
    const to = createWriteStream(target.path, { flags: 'r+', highWaterMark: 1024 * 1024 })
    const result = await downloadToStream(job, to)
    await target.publish()
    return result
  } catch (error) {
    await target.discard()
    throw error
  }
}
