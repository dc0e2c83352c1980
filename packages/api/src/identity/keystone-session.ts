import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { identityUnavailable } from './credentials.ts'
import type { IdentityHttp } from './identity-http.ts'
import { type ImageEndpoint, imageEndpoints } from './keystone-catalog.ts'

export interface KeystoneSessionOptions {
  readonly http: IdentityHttp
  /** `<keystone>/v3/auth/tokens` */
  readonly tokensUrl: string
  /** `auth` of the request for a token: how we authenticate, and the scope. */
  readonly auth: object
  /** The key of the account in the configuration, as messages name it. */
  readonly section: string
  readonly now: () => number
}

interface OwnToken {
  readonly token: string
  readonly images: readonly ImageEndpoint[]
  readonly since: number
  readonly renewAt: number
  readonly deadAt: number
}

/** A token is renewed so early, or after three quarters of a short life. */
const EARLY_MS = 300_000
/** Refused credentials are not tried again at once: Keystone may lock the account. */
const DENIED_PAUSE_MS = 10_000
/** A token that is refused so soon after it was given is not the reason. */
const TOO_YOUNG_MS = 2_000

const grant = Type.Object({
  token: Type.Object({
    issued_at: Type.String(),
    expires_at: Type.String(),
    catalog: Type.Optional(Type.Unknown())
  })
})

/** Our own token at Keystone: got when needed, renewed in time, shared by all who need it. */
export class KeystoneSession {
  readonly #options: KeystoneSessionOptions
  #held: OwnToken | undefined
  #logging: Promise<OwnToken> | undefined
  #denied: { readonly error: Error; readonly at: number } | undefined

  constructor(options: KeystoneSessionOptions) {
    this.#options = options
  }

  /** @throws {TankError} IDENTITY_UNAVAILABLE when Keystone gives none */
  async token(): Promise<string> {
    return (await this.#own()).token
  }

  /** The image services that the catalogue of our token names. */
  async imageEndpoints(): Promise<readonly ImageEndpoint[]> {
    return (await this.#own()).images
  }

  async #own(): Promise<OwnToken> {
    const held = this.#held
    const now = this.#options.now()
    if (held === undefined || now >= held.deadAt) return this.#login()
    if (now >= held.renewAt) this.#login().catch(() => {}) // the old one still works
    return held
  }

  /** Another token than this one, which Keystone does not accept any more. */
  async tokenAfter(refused: string): Promise<string> {
    const held = this.#held
    if (held !== undefined) {
      if (held.token !== refused) return held.token
      if (this.#options.now() - held.since < TOO_YOUNG_MS) {
        throw identityUnavailable('Keystone refuses a token that it gave a moment ago')
      }
    }
    return (await this.#login()).token
  }

  #login(): Promise<OwnToken> {
    if (this.#logging !== undefined) return this.#logging
    const denied = this.#denied
    if (denied !== undefined && this.#options.now() - denied.at < DENIED_PAUSE_MS) {
      return Promise.reject(denied.error)
    }
    this.#logging = this.#ask()
      .then((own) => {
        this.#held = own
        this.#denied = undefined
        return own
      })
      .finally(() => {
        this.#logging = undefined
      })
    return this.#logging
  }

  async #ask(): Promise<OwnToken> {
    const { http, tokensUrl, auth, now } = this.#options
    const since = now()
    const { status, json, header } = await http.call({
      method: 'POST',
      url: tokensUrl,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth })
    })
    if (status === 401 || status === 403) throw this.#deny(status)
    const token = header('x-subject-token')
    // the answer is left out of every message: it may repeat what was asked
    if (status !== 201 || token === undefined || !Value.Check(grant, json)) {
      throw identityUnavailable(
        `${tokensUrl} answered ${status} and no token of the Identity API v3`
      )
    }
    const { issued_at: from, expires_at: to } = json.token
    // its clock may be another one, so only the span counts
    const lifetime = Date.parse(to) - Date.parse(from)
    if (!(lifetime > 0)) throw identityUnavailable(`${tokensUrl} gave a token without a life`)
    const early = Math.min(EARLY_MS, lifetime / 4)
    const images = imageEndpoints(json.token.catalog)
    return { token, images, since, renewAt: since + lifetime - early, deadAt: since + lifetime }
  }

  #deny(status: number): Error {
    const error = identityUnavailable(
      `Keystone does not accept the credentials of ${this.#options.section} (${status}): check user, password, project and domains, or the application credential`
    )
    this.#denied = { error, at: this.#options.now() }
    this.#held = undefined
    return error
  }
}
