import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '@tank/store'
import { failureOf, retryKind, toStoreError } from './errors.ts'

export interface CallSettings {
  readonly maxAttempts: number
  readonly retryMs: number
  readonly answerMs: number
  /** What no error may show. */
  readonly secrets: readonly string[]
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Something has been invested already: broken connections too are tried again for long. */
  readonly patient?: boolean
  /** The server has to work before it answers. */
  readonly long?: boolean
  /** Told before a request is made again. */
  readonly onRetry?: (() => void) | undefined
}

/** What every request of the SDK gets from us. */
export interface HttpOptions {
  readonly abortSignal?: AbortSignal
  readonly requestTimeout: number
}

const FIRST_DELAY_MS = 50
const LAST_DELAY_MS = 1000
const LONG = 10

/** Makes requests until they succeed, fail for good, or have been tried for long enough. */
export class Calls {
  readonly #settings: CallSettings
  #closed = false

  constructor(settings: CallSettings) {
    this.#settings = settings
  }

  /** Rejects with the reason of the signal, else with a StoreError. */
  async run<T>(send: (http: HttpOptions) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal, long = false } = options
    const { answerMs, retryMs, secrets } = this.#settings
    const deadline = performance.now() + retryMs
    const http = {
      requestTimeout: answerMs * (long ? LONG : 1),
      ...(signal !== undefined && { abortSignal: signal })
    }
    for (let attempt = 1; ; attempt += 1) {
      try {
        signal?.throwIfAborted()
        return await raced(send(http), signal)
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (this.#closed) throw new StoreError('UNAVAILABLE', 'the store is closed')
        const delay = this.#delay(error, attempt, options.patient ?? false)
        if (delay === undefined || performance.now() + delay > deadline) {
          throw toStoreError(error, secrets)
        }
        options.onRetry?.()
        await pause(delay, signal)
      }
    }
  }

  /** After this nothing is tried again. */
  close(): void {
    this.#closed = true
  }

  #delay(error: unknown, attempt: number, patient: boolean): number | undefined {
    const kind = retryKind(error)
    if (kind === undefined) return undefined
    if (kind === 'skewed') return attempt === 1 ? 0 : undefined
    if (kind === 'broken' && !patient && attempt >= this.#settings.maxAttempts) return undefined
    const longest = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
    // Random, so that clients who were refused together do not come back together.
    return Math.max(failureOf(error).retryAfterMs ?? 0, Math.random() * longest)
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    signal?.throwIfAborted()
  }
}

/** Some waits of the SDK, such as those for credentials, know no signal. */
function raced<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
