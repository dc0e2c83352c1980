import { createInspector, type Inspector, type InspectorOptions } from './inspector.ts'
import type { Report } from './report.ts'
import type { Range } from './steps.ts'

/** Reads a range of an image; fewer bytes mean that it ended. */
export type ReadRange = (range: Range) => Promise<Uint8Array>

/** So many ranges are read just as they are; few sound images need more. */
const FEW_READS = 64
const BLOCK_SIZE = 64 * 1024
/** No sound image needs so much; what wants to be read piece by piece, for ever, does. */
const MOST_RANGES = 2000
const MOST_BYTES = 64 * 2 ** 20

/** Reads ranges out of blocks, of which it keeps the last, once many were asked for. */
class BlockReader {
  readonly #size: number
  readonly #read: ReadRange
  #reads = 0
  #offset = 0
  #block: Uint8Array = new Uint8Array(0)
  #ranges = 0
  #bytes = 0

  constructor(size: number, read: ReadRange) {
    this.#size = size
    this.#read = read
  }

  /** Undefined when that would be too much. */
  async range({ offset, length }: Range): Promise<Uint8Array | undefined> {
    if (++this.#ranges > MOST_RANGES) return undefined
    const from = offset - this.#offset
    if (from >= 0 && from + length <= this.#block.length)
      return this.#block.subarray(from, from + length)
    const least = this.#reads < FEW_READS ? 0 : Math.min(BLOCK_SIZE, this.#size - offset)
    const whole = Math.max(length, least)
    this.#reads++
    this.#bytes += whole
    if (this.#bytes > MOST_BYTES) return undefined
    this.#block = await this.#read({ offset, length: whole })
    this.#offset = offset
    return this.#block.subarray(0, length)
  }
}

/**
 * Reads what an inspector still needs until it needs nothing more. It has to be at its end. What needs
 * more than 2,000 ranges or 64 MiB stays `indeterminate`.
 */
export async function readNeeds(inspector: Inspector, read: ReadRange): Promise<void> {
  const reader = new BlockReader(inspector.report().size, read)
  for (let needs = inspector.needs; needs.length > 0; needs = inspector.needs) {
    let isShort = false
    for (const range of needs) {
      const bytes = await reader.range(range)
      if (bytes === undefined) return
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
