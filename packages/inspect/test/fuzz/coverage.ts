import { type Profiler, Session } from 'node:inspector'

/** Which blocks of the inspector's code have run (V8's precise coverage). */
export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Blocks seen so far. */
  get size(): number {
    return this.#seen.size
  }

  /** The blocks that ran since the last call. Asking takes longer than most images do. */
  take(): ReadonlySet<string> {
    const blocks = new Set<string>()
    // the answer comes at once
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error === null) for (const script of taken.result) note(script, blocks)
    })
    return blocks
  }

  /** Of these blocks those that had not run before, which from now on they have. */
  learn(blocks: ReadonlySet<string>): Set<string> {
    const fresh = new Set([...blocks].filter((block) => !this.#seen.has(block)))
    for (const block of fresh) this.#seen.add(block)
    return fresh
  }
}

function note(script: Profiler.ScriptCoverage, blocks: Set<string>): void {
  if (!script.url.includes('/inspect/dist/src/')) return
  for (const { ranges } of script.functions) {
    for (const { startOffset, endOffset, count } of ranges)
      if (count > 0) blocks.add(`${script.scriptId}:${startOffset}:${endOffset}`)
  }
}
