import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export const MiB = 1024 * 1024

/** One MiB that no other block of no other seed equals, cheap to make. */
function block(seed: number, index: number, template: Buffer): Buffer {
  const copy = Buffer.from(template)
  copy.writeDoubleLE(seed, 0)
  copy.writeDoubleLE(index, 8)
  return copy
}

const template = Buffer.alloc(MiB)
for (let at = 0, value = 1; at < MiB; at += 4) {
  value = (Math.imul(value, 1664525) + 1013904223) >>> 0
  template.writeUInt32LE(value, at)
}

export interface PatternOptions {
  /** bytes */
  readonly size: number
  readonly seed?: number
  /** Wait so many milliseconds after each MiB. */
  readonly pauseMs?: number
  /** Called before the MiB with this number is handed out, and once more after the last. */
  readonly onBlock?: (index: number) => void | Promise<void>
}

async function* blocks(options: PatternOptions): AsyncGenerator<Buffer> {
  const { size, seed = 1, pauseMs = 0, onBlock } = options
  for (let index = 0; index * MiB < size; index++) {
    await onBlock?.(index)
    if (pauseMs > 0) await sleep(pauseMs)
    yield block(seed, index, template).subarray(0, Math.min(MiB, size - index * MiB))
  }
  await onBlock?.(Math.ceil(size / MiB))
}

/** The same bytes for the same size and seed, never held in memory as a whole. */
export function pattern(options: PatternOptions): Readable {
  return Readable.from(blocks(options), { objectMode: false, highWaterMark: MiB })
}

/** SHA-256 of what `pattern` yields. */
export function patternDigest(size: number, seed = 1): string {
  const hash = createHash('sha256')
  for (let index = 0; index * MiB < size; index++) {
    hash.update(block(seed, index, template).subarray(0, Math.min(MiB, size - index * MiB)))
  }
  return hash.digest('hex')
}
