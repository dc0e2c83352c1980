/** Ends all work on one image together: when the caller says so, or when a part of it fails. */
export class Stopper {
  readonly #control = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #onAbort = () => this.stop(this.#outer?.reason)

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer
    if (outer?.aborted) this.#onAbort()
    else outer?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#control.signal
  }

  /** The first reason counts. */
  stop(reason: unknown): void {
    this.#control.abort(reason)
  }

  /** Rejects with what stopped the work, if anything did. */
  assertGoing(): void {
    this.signal.throwIfAborted()
  }

  close(): void {
    this.#outer?.removeEventListener('abort', this.#onAbort)
  }
}
