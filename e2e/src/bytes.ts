import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export const MiB = 1024 * 1024

const template = Buffer.alloc(MiB)
for (let at = 0, value = 1; at < MiB; at += 4) {
  value = (Math.imul(value, 1664525) + 1013904223) >>> 0
  template.writeUInt32LE(value, at)
}

/** The first bytes of a block, by which it differs from all others. */
const HEAD = 16

/** One MiB, or its beginning, that no other block of no other seed equals; nearly all of it is shared. */
function block(seed: number, index: number, length: number): Buffer[] {
  const head = Buffer.allocUnsafe(HEAD)
  head.writeDoubleLE(seed, 0)
  head.writeDoubleLE(index, 8)
  if (length <= HEAD) return [head.subarray(0, length)]
  return [head, template.subarray(HEAD, length)]
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
    yield* block(seed, index, Math.min(MiB, size - index * MiB))
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
    for (const part of block(seed, index, Math.min(MiB, size - index * MiB))) hash.update(part)
  }
  return hash.digest('hex')
}
