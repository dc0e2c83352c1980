import { setTimeout as sleep } from 'node:timers/promises'

const FOREGROUND_MS = 2_000
const BACKGROUND_MS = 60_000
const CLOSE_MS = 5_000

/** Where failures of work that nobody waits for are told. */
export interface ChoreLog {
  warn(fields: object, message: string): void
}

/** Tidying up that goes on for a while after its caller has stopped waiting. */
export class Chores {
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #log: ChoreLog | undefined

  constructor(log: ChoreLog | undefined) {
    this.#log = log
  }

  /**
   * Resolves when the work is done, but at the latest after two seconds: the caller of a failed put
   * is to hear of it even while the server hangs. Never rejects.
   */
  async run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const timer = new AbortController()
    const chore = this.#start(work)
    const waiting = sleep(FOREGROUND_MS, undefined, { signal: timer.signal }).catch(() => {})
    await Promise.race([chore, waiting])
    timer.abort()
  }

  /** Gives work that is under way a few seconds. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(new Error('the store is closed')), CLOSE_MS)
    await Promise.all(this.#running)
    clearTimeout(timer)
    this.#closing.abort()
  }

  #start(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new AbortController()
    const stop = () => limit.abort(new Error('gave up'))
    const timer = setTimeout(stop, BACKGROUND_MS)
    this.#closing.signal.addEventListener('abort', stop, { once: true })
    if (this.#closing.signal.aborted) stop()
    const chore = work(limit.signal)
      .catch((err: unknown) => {
        this.#log?.warn(
          { err },
          'something may be left in the bucket; delete of its key removes it'
        )
      })
      .finally(() => {
        clearTimeout(timer)
        this.#closing.signal.removeEventListener('abort', stop)
        this.#running.delete(chore)
      })
    this.#running.add(chore)
    return chore
  }
}
