import { isAway } from './errors.ts'
import { untilAborted } from './patience.ts'

/** What authentication gives: how to name ourselves, and where the account is. */
export interface Session {
  readonly token: string
  readonly storageUrl: URL
  /** Milliseconds that the token lives; undefined when nobody said so. */
  readonly lifetime: number | undefined
}

const EARLY = 300_000

interface Held {
  readonly session: Session
  readonly renewAt: number
  readonly deadAt: number
}

/** Keeps one session for all callers: whoever finds it old renews it, and the others wait for that. */
export class Sessions {
  readonly #login: () => Promise<Session>
  #held: Held | undefined
  #pending: Promise<Session> | undefined

  constructor(login: () => Promise<Session>) {
    this.#login = login
  }

  /** The account's address as far as it is known. */
  get storageUrl(): URL | undefined {
    return this.#held?.session.storageUrl
  }

  async current(signal: AbortSignal | undefined): Promise<Session> {
    const held = this.#held
    const now = Date.now()
    if (held === undefined || now >= held.deadAt) return untilAborted(this.#renew(), signal)
    if (now >= held.renewAt) {
      // The old one still works, so nobody has to wait, nor to hear of it when this fails.
      this.#renew().catch(() => {})
    }
    return held.session
  }

  /** A session other than this one, which the server did not accept. */
  async after(refused: Session, signal: AbortSignal | undefined): Promise<Session> {
    const held = this.#held
    if (held !== undefined && held.session !== refused) return held.session
    return untilAborted(this.#renew(), signal)
  }

  #renew(): Promise<Session> {
    this.#pending ??= this.#login()
      .then((session) => {
        this.#held = hold(session)
        return session
      })
      .catch((error: unknown) => {
        // Credentials that are refused now must not be hidden by a token that works by chance.
        if (!isAway(error)) this.#held = undefined
        throw error
      })
      .finally(() => {
        this.#pending = undefined
      })
    return this.#pending
  }
}

function hold(session: Session): Held {
  const { lifetime = Number.POSITIVE_INFINITY } = session
  const now = Date.now()
  return {
    session,
    renewAt: now + lifetime - Math.min(EARLY, lifetime / 10),
    deadAt: now + lifetime
  }
}
