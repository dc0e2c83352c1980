import { setTimeout as sleep } from 'node:timers/promises'
import { isAway } from './errors.ts'

const FIRST_WAIT = 25
const LONGEST_WAIT = 1_000
const LONGEST_ASKED = 10_000
/** A server that says nothing at all is asked less often than one that says "later". */
const SILENT_TRIES = 5

/** The tries of one request: how many, and how far apart. */
export class Patience {
  readonly #most: number
  #tries = 0
  #silent = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Waits until it is time for the next try; rejects with `error` when there is none. */
  async next(error: unknown, signal: AbortSignal | undefined, asked?: Asked): Promise<void> {
    if (signal?.aborted) throw signal.reason
    if (!isAway(error)) throw error
    this.#tries += 1
    if (asked === undefined) this.#silent += 1
    if (this.#tries >= this.#most || this.#silent >= SILENT_TRIES) throw error
    // With a random part, so that many clients do not come back all at the same moment.
    const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#tries - 1))
    const pause = Math.max(most * (0.5 + Math.random() / 2), asked?.milliseconds ?? 0)
    await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw signal?.reason
    })
  }
}

/** The server answered, and perhaps said when to come back. */
export interface Asked {
  readonly milliseconds: number
}

/** What an answer says in Retry-After (RFC 9110 10.2.3), as far as we wait for it. */
export function askedWait(retryAfter: string | undefined): Asked {
  const seconds = Number(retryAfter ?? 0)
  const milliseconds = Number.isFinite(seconds) ? seconds * 1_000 : 0
  return { milliseconds: Math.max(0, Math.min(milliseconds, LONGEST_ASKED)) }
}

/** A promise that several callers share: each of them leaves when its own signal says so. */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined
): Promise<T> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  let leave = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
