export interface LookupCacheOptions<T> {
  /** Asks whoever knows; undefined: there is no such thing. */
  load(key: string): Promise<T | undefined>
  /** How long what was found may be used, in milliseconds from before it was asked for. */
  lifetimeMs(value: T): number
  /** How long it is remembered that there is nothing, in milliseconds. */
  readonly missMs: number
  /** Most keys that are remembered as found, and most that are remembered as not found. */
  readonly entries: number
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

interface Entry<T> {
  readonly value: T
  readonly until: number
}

/** Entries by key, of which the oldest makes room. */
class Shelf<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  get(key: string, now: number): Entry<T> | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.until > now) return entry
    this.#entries.delete(key)
    return undefined
  }

  put(key: string, entry: Entry<T>): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size <= this.#most) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }
}

/**
 * Remembers answers for a short time; however many ask for one key at once, it is looked up once.
 * What was not found lies apart, so that guesses push out nothing that was. Failures are not kept.
 */
export function createLookupCache<T>(
  options: LookupCacheOptions<T>
): (key: string) => Promise<T | undefined> {
  const { missMs, entries, now = () => performance.now() } = options
  const found = new Shelf<T>(entries)
  const missing = new Shelf<undefined>(entries)
  const pending = new Map<string, Promise<T | undefined>>()

  async function look(key: string): Promise<T | undefined> {
    const began = now()
    const value = await options.load(key)
    if (value === undefined) missing.put(key, { value: undefined, until: now() + missMs })
    else found.put(key, { value, until: began + options.lifetimeMs(value) })
    return value
  }

  return async (key) => {
    const known = found.get(key, now()) ?? missing.get(key, now())
    if (known !== undefined) return known.value
    let looking = pending.get(key)
    if (looking === undefined) {
      looking = look(key).finally(() => pending.delete(key))
      pending.set(key, looking)
    }
    return looking
  }
}
