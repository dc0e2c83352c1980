import { createHash } from 'node:crypto'
import { identityUnavailable } from './credentials.ts'

/** What is known about a token. */
export interface Verdict<T> {
  /** Undefined: the token stands for nobody. */
  readonly value: T | undefined
  /** When the token ends, in milliseconds since 1970. */
  readonly expiresAt: number
}

export interface TokenCacheOptions {
  /** Most tokens that are remembered, and as many refused ones. */
  readonly maxEntries: number
  /** How long a token is believed without asking again, in milliseconds. */
  readonly keepMs: number
  /** How long a token stays refused without asking again, in milliseconds. */
  readonly keepRefusedMs: number
  readonly now: () => number
}

interface Entry<T> {
  readonly value: T | undefined
  readonly from: number
  readonly until: number
}

/** More questions than this are never open at once: whoever sends random tokens has to wait. */
const MOST_OPEN = 1024

/**
 * Remembers for a short time what tokens stand for, by their SHA-256. Requests that bring the same
 * token at once share one question. Refused tokens are kept apart, so that a flood of them does not
 * drive out those of users.
 */
export class TokenCache<T> {
  readonly #options: TokenCacheOptions
  readonly #accepted = new Map<string, Entry<T>>()
  readonly #refused = new Map<string, Entry<T>>()
  readonly #open = new Map<string, Promise<T | undefined>>()

  constructor(options: TokenCacheOptions) {
    this.#options = options
  }

  /**
   * What the token stands for, from memory or by `ask`; undefined: nobody. `variant` keeps answers to
   * different questions about one token apart. A question that fails is not remembered.
   *
   * @throws {TankError} IDENTITY_UNAVAILABLE when too many questions are open, and what `ask` throws
   */
  find(token: string, variant: string, ask: () => Promise<Verdict<T>>): Promise<T | undefined> {
    const key = `${createHash('sha256').update(token).digest('base64')}${variant}`
    const entry = this.#fresh(this.#accepted, key) ?? this.#fresh(this.#refused, key)
    if (entry !== undefined) return Promise.resolve(entry.value)
    const open = this.#open.get(key)
    if (open !== undefined) return open
    if (this.#open.size >= MOST_OPEN) {
      return Promise.reject(identityUnavailable('too many tokens are being validated'))
    }
    const asked = this.#learn(key, ask).finally(() => this.#open.delete(key))
    this.#open.set(key, asked)
    return asked
  }

  #fresh(entries: Map<string, Entry<T>>, key: string): Entry<T> | undefined {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    const now = this.#options.now()
    if (now >= entry.from && now < entry.until) return entry
    entries.delete(key)
    return undefined
  }

  async #learn(key: string, ask: () => Promise<Verdict<T>>): Promise<T | undefined> {
    // what is true when the question is asked may not be when the answer comes
    const from = this.#options.now()
    const { value, expiresAt } = await ask()
    const { keepMs, keepRefusedMs, maxEntries } = this.#options
    const isAccepted = value !== undefined
    const until = Math.min(from + (isAccepted ? keepMs : keepRefusedMs), expiresAt)
    const entries = isAccepted ? this.#accepted : this.#refused
    const [oldest] = entries.keys()
    if (entries.size >= maxEntries && oldest !== undefined) entries.delete(oldest)
    if (until > from) entries.set(key, { value, from, until })
    return value
  }
}
