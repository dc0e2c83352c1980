import { open } from 'node:fs/promises'
import { inspectRanges } from './inspect-ranges.ts'
import { inspectStream } from './inspect-stream.ts'
import type { InspectorOptions } from './inspector.ts'
import type { Report } from './report.ts'

/**
 * Inspects a file; reads only the parts of it that matter. Pipes and devices are read to their end,
 * as `inspectStream` does. Rejects when it cannot be read.
 */
export async function inspectFile(
  path: string | URL,
  options: InspectorOptions = {}
): Promise<Report> {
  const file = await open(path)
  try {
    const stat = await file.stat()
    const { size } = stat
    // of pipes, devices and files that the kernel makes up, a size of 0 says nothing
    if (!stat.isFile() || size === 0)
      return await inspectStream(file.createReadStream({ autoClose: false }), options)
    return await inspectRanges(
      size,
      async ({ offset, length }) => {
        const buffer = Buffer.alloc(length)
        const { bytesRead } = await file.read(buffer, 0, length, offset)
        return buffer.subarray(0, bytesRead)
      },
      options
    )
  } finally {
    await file.close()
  }
}
