import { createInspector, type InspectorOptions } from './inspector.ts'
import type { Report } from './report.ts'

/**
 * Inspects bytes as they come. Rejects when their source does. The verdict is `indeterminate` when
 * something had passed before it was known to matter; `inspectFile` and `inspectRanges` go back for it.
 */
export async function inspectStream(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: InspectorOptions = {}
): Promise<Report> {
  const inspector = createInspector(options)
  for await (const chunk of chunks) inspector.push(chunk)
  inspector.end()
  return inspector.report()
}
