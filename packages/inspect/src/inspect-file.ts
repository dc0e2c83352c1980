import { open } from 'node:fs/promises'
import { inspectRanges } from './inspect-ranges.ts'
import type { InspectorOptions } from './inspector.ts'
import type { Report } from './report.ts'

/** Inspects a file; reads only the parts of it that matter. Rejects when it cannot be read. */
export async function inspectFile(
  path: string | URL,
  options: InspectorOptions = {}
): Promise<Report> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
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
