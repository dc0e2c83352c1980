import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { MOST_BYTES } from './mutate.ts'
import type { Job, Tally } from './worker.ts'

export interface FuzzOptions {
  readonly minutes: number
  readonly seed: number
  /** Folder of images that were found to be inspected wrongly. */
  readonly out: string
  /** Folder with `good` and `hostile` images to begin with. */
  readonly images?: string | undefined
  readonly isWithQemu?: boolean
  readonly onTally?: (tally: Tally) => void
}

/** An image may take so long, whatever else the machine does. */
const MOST_MS = 60_000
const NOTHING: Tally = { images: 0, corpus: 0, blocks: 0, asked: 0, faults: [] }

/** Fuzzes in a thread of its own, so that an image that takes for ever is noticed. */
export async function fuzz(options: FuzzOptions): Promise<Tally> {
  const watched = new SharedArrayBuffer(8 + MOST_BYTES + 8)
  const { seed, out, images, isWithQemu = false } = options
  const until = Date.now() + options.minutes * 60_000
  const workerData: Job = { seed, out, images, isWithQemu, until, watched }
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData })
  const words = new Int32Array(watched, 0, 2)
  let tally = NOTHING
  let [count, since] = [-1, Date.now()]
  worker.on('message', (message: Tally) => {
    tally = message
    options.onTally?.(message)
  })
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const now = Atomics.load(words, 0)
      if (now !== count) [count, since] = [now, Date.now()]
      if (Date.now() - since < MOST_MS) return
      const file = join(out, `it-hung-${seed}-${now}.bin`)
      mkdirSync(out, { recursive: true })
      writeFileSync(file, Buffer.from(watched, 8, Atomics.load(words, 1)))
      tally = { ...tally, faults: [...tally.faults, { fault: 'it hung', file }] }
      worker.terminate()
    }, 1000)
    worker.on('error', reject)
    worker.on('exit', () => {
      clearInterval(watch)
      resolve(tally)
    })
  })
}
