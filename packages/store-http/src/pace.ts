export interface PaceLimits {
  /** Longest wait for the next byte, and the time over which the pace is measured. */
  readonly stallMs: number
  readonly minBytesPerSecond: number
}

/**
 * Watches how fast bytes come while somebody waits for them; a reader who takes his time is no
 * fault of the origin, so the clock stands still while he is served.
 */
export class Pace {
  readonly #limits: PaceLimits
  readonly #slow: (why: string) => void
  #since: number | undefined
  #stall: NodeJS.Timeout | undefined
  #waitedMs = 0
  #bytes = 0

  constructor(limits: PaceLimits, slow: (why: string) => void) {
    this.#limits = limits
    this.#slow = slow
  }

  /** The reader wants bytes. */
  wait(): void {
    if (this.#since !== undefined) return
    this.#since = performance.now()
    this.#stall = setTimeout(
      () => this.#slow('the origin has stopped sending'),
      this.#limits.stallMs
    )
  }

  /** Bytes came. */
  came(bytes: number): void {
    if (this.#since === undefined) return
    const now = performance.now()
    this.#waitedMs += now - this.#since
    this.#since = now
    this.#bytes += bytes
    this.#stall?.refresh()
    const { stallMs, minBytesPerSecond } = this.#limits
    if (this.#waitedMs < stallMs) return
    const isSlow = this.#bytes < (minBytesPerSecond * this.#waitedMs) / 1000
    this.#waitedMs = 0
    this.#bytes = 0
    if (isSlow) this.#slow('the origin sends too slowly')
  }

  /** The reader has enough for now. */
  rest(): void {
    this.#since = undefined
    clearTimeout(this.#stall)
  }
}
