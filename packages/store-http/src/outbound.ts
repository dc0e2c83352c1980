import { setMaxListeners } from 'node:events'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions } from '@tank/store'
import { coarse, unreadable } from './errors.ts'
import { type Answer, exchange, type Method } from './exchange.ts'
import { createHostRules, type HostRules, type OwnAddresses } from './host-rules.ts'
import { isLocation, type LocationRules, parseLocation, parseRedirect } from './location.ts'
import { type Resolve, resolveHost } from './resolve.ts'

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export interface OutboundSettings {
  readonly allowHttp: boolean
  /** Ports beside 80 and 443. */
  readonly ports: readonly number[]
  /** Host names, addresses and ranges whose addresses need not be public. */
  readonly allow: readonly string[]
  /** Host names, addresses and ranges that are never spoken to. */
  readonly denyHosts: readonly string[]
  /** Certificates to trust, in place of those that come with Node. */
  readonly ca: readonly string[] | undefined
  /** Time for a visit until it has its answers. */
  readonly openMs: number
}

/** What tests exchange, and nobody else. */
export interface Surroundings {
  readonly resolve?: Resolve | undefined
  readonly ownAddresses?: OwnAddresses | undefined
  readonly log?: OutboundLog | undefined
}

/** Where the reason goes that the caller is not told; a Fastify or pino logger fits. */
interface OutboundLog {
  info(fields: object, message: string): void
}

/** Asks a location, following its redirects; the last answer is no redirect. */
export type Ask = (method: Method, headers?: Readonly<Record<string, string>>) => Promise<Answer>

/**
 * The one way out to hosts that strangers name: every host, also that of a redirect, is resolved
 * once, all its addresses must be public, and the connection leads to one of them (S-18 to S-20).
 */
export interface Outbound {
  accepts(url: URL): boolean
  /**
   * Runs what needs answers of a location. BAD_LOCATION comes at once. Every other failure but a
   * StoreError of `run` is UNAVAILABLE with one message, and comes when `openMs` are over, so that
   * neither words nor time show what is behind an address (S-17). After success the caller closes
   * its answers.
   */
  visit<T>(location: string, options: CallOptions, run: (ask: Ask) => Promise<T>): Promise<T>
  /** Ends the visits that are under way; answers that were given stay. */
  close(): void
}

/** Throws when a list of hosts has an entry that is neither a name nor an address. */
export function openOutbound(settings: OutboundSettings, around: Surroundings = {}): Outbound {
  return new GuardedOutbound(settings, around)
}

class GuardedOutbound implements Outbound {
  readonly #settings: OutboundSettings
  readonly #locations: LocationRules
  readonly #hosts: HostRules
  readonly #resolve: Resolve
  readonly #log: OutboundLog | undefined
  readonly #closing = new AbortController()

  constructor(settings: OutboundSettings, { resolve, ownAddresses, log }: Surroundings) {
    const { allow, denyHosts, allowHttp, ports } = settings
    this.#settings = settings
    this.#locations = { allowHttp, ports: new Set([80, 443, ...ports]) }
    this.#hosts = createHostRules({ allow, deny: denyHosts }, ownAddresses)
    this.#resolve = resolve ?? resolveHost
    this.#log = log
    // Each visit listens.
    setMaxListeners(0, this.#closing.signal)
  }

  accepts(url: URL): boolean {
    return isLocation(url, this.#locations)
  }

  async visit<T>(
    location: string,
    { signal }: CallOptions,
    run: (ask: Ask) => Promise<T>
  ): Promise<T> {
    signal?.throwIfAborted()
    const url = parseLocation(location, this.#locations)
    const over = performance.now() + this.#settings.openMs
    const ends = joined([signal, this.#closing.signal])
    try {
      return await this.#attempt(url, ends.signal, run)
    } catch (error) {
      const failure = coarse(error)
      if (failure === error || ends.signal.aborted) throw signal?.aborted ? signal.reason : failure
      this.#log?.info({ err: error, host: url.host }, 'a location cannot be read')
      const left = Math.max(0, over - performance.now())
      await sleep(left, undefined, { signal: ends.signal }).catch(() => {})
      throw signal?.aborted ? signal.reason : failure
    } finally {
      ends.release()
    }
  }

  close(): void {
    this.#closing.abort(unreadable(new Error('the store is closed')))
  }

  async #attempt<T>(url: URL, ends: AbortSignal, run: (ask: Ask) => Promise<T>): Promise<T> {
    const control = joined([ends])
    const late = setTimeout(
      () => control.abort(new Error('no answer in time')),
      this.#settings.openMs
    )
    const answers: Answer[] = []
    const ask: Ask = async (method, headers = {}) => {
      const answer = await this.#follow(url, method, headers, control.signal)
      answers.push(answer)
      return answer
    }
    try {
      return await run(ask)
    } catch (error) {
      for (const answer of answers) answer.close()
      throw error
    } finally {
      clearTimeout(late)
      control.release()
    }
  }

  async #follow(
    from: URL,
    method: Method,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<Answer> {
    let url = from
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await this.#ask(url, method, headers, signal)
      if (!REDIRECTS.has(answer.status)) return answer
      answer.close()
      const to = answer.headers.location
      if (typeof to !== 'string') throw new Error('redirected to nowhere')
      url = parseRedirect(url, to, this.#locations)
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects`)
  }

  async #ask(
    url: URL,
    method: Method,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<Answer> {
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = await this.#addressesOf(hostname, signal)
    const { ca } = this.#settings
    return exchange(url, method, headers, { hostname, addresses, ca, signal })
  }

  /** Every answer has to be permitted: whoever mixes in one that is not means no good. */
  async #addressesOf(hostname: string, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#hosts.deniesName(hostname)) throw new Error(`the host ${hostname} is denied`)
    const isAllowed = this.#hosts.allowsName(hostname)
    const addresses =
      isIP(hostname) === 0
        ? await settled(this.#resolve(hostname, { signal, isAllowed }), signal)
        : [hostname]
    const refused = addresses.find((address) => !this.#hosts.permits(address, isAllowed))
    if (refused !== undefined) throw new Error(`${hostname} is ${refused}, which is denied`)
    if (addresses.length === 0) throw new Error(`${hostname} has no address`)
    return addresses
  }
}

/** A lookup cannot always be ended; it is left to itself. */
function settled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** A signal that follows others until it is released: AbortSignal.any would hold on to them. */
function joined(signals: readonly (AbortSignal | undefined)[]) {
  const control = new AbortController()
  const followed = signals.filter((each) => each !== undefined)
  const abort = () => control.abort(followed.find((each) => each.aborted)?.reason)
  for (const each of followed) each.addEventListener('abort', abort, { once: true })
  if (followed.some((each) => each.aborted)) abort()
  return {
    signal: control.signal,
    abort: (reason: unknown) => control.abort(reason),
    release: () => {
      for (const each of followed) each.removeEventListener('abort', abort)
    }
  }
}
