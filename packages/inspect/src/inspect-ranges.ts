import { createInspector, type Inspector, type InspectorOptions } from './inspector.ts'
import type { Report } from './report.ts'
import type { Range } from './steps.ts'

/** Reads a range of an image; fewer bytes mean that it ended. */
export type ReadRange = (range: Range) => Promise<Uint8Array>

/** Reads what an inspector still needs until it needs nothing more. It has to be at its end. */
export async function readNeeds(inspector: Inspector, read: ReadRange): Promise<void> {
  for (let needs = inspector.needs; needs.length > 0; needs = inspector.needs) {
    let isShort = false
    for (const range of needs) {
      const bytes = await read(range)
      isShort ||= bytes.length < range.length
      inspector.provide(range.offset, bytes)
    }
    // the image has become shorter: what is missing will never come
    if (isShort) return
  }
}

/** Inspects an image of known size that can be read at any place, by its few ranges that matter. */
export async function inspectRanges(
  size: number,
  read: ReadRange,
  options: InspectorOptions = {}
): Promise<Report> {
  const inspector = createInspector(options)
  inspector.end(size)
  await readNeeds(inspector, read)
  return inspector.report()
}
