import { createWriteStream } from 'node:fs'
import { TankClientError } from '../errors.ts'
import { downloadParts, NotInParts, PART_SIZE } from './in-parts.ts'
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
  const { resume = false, parallel = 1, partSize = PART_SIZE } = job.options
  requireCount('parallel', parallel, MAX_PARALLEL)
  requireCount('partSize', partSize, Number.MAX_SAFE_INTEGER)
  if (!resume && parallel === 1) return downloadInOne(job, file)
  try {
    return await downloadParts(job, file)
  } catch (error) {
    if (error instanceof NotInParts) return downloadInOne(job, file)
    throw error
  }
}

const MAX_PARALLEL = 64

function requireCount(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && 1 <= value && value <= most) return
  const text = `${name} must be a whole number from 1 to ${most}, not ${value}`
  throw new TankClientError('INVALID_REQUEST', text)
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
