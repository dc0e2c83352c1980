import { createLocalJWKSet, type JWK, type JWTVerifyGetKey } from 'jose'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { identityUnavailable } from './credentials.ts'
import type { IdentityHttp } from './identity-http.ts'
import { isSafeForKeys } from './secure-url.ts'

/** The public keys of an issuer as it published them at one time. */
export interface KeySet {
  readonly find: JWTVerifyGetKey
  readonly loadedAt: number
}

export interface IssuerKeysOptions {
  readonly http: IdentityHttp
  readonly issuer: string
  /** Empty: found by discovery. */
  readonly jwksUri: string
  /** How long keys are used without asking again, in milliseconds. */
  readonly keepMs: number
  readonly now: () => number
}

/** A token with an unknown key makes the keys be asked for at most so often. */
const UNKNOWN_PAUSE_MS = 30_000
/** After a failure nobody asks for so long. */
const FAILURE_PAUSE_MS = 1_000

const discovery = Type.Object({
  issuer: Type.String({ maxLength: 2048 }),
  jwks_uri: Type.String({ maxLength: 2048 })
})
const keySet = Type.Object({
  keys: Type.Array(Type.Object({ kty: Type.String() }), { maxItems: 256 })
})
/** RSA, elliptic curves, Edwards curves: no shared secrets. */
const PUBLIC_KINDS = ['RSA', 'EC', 'OKP']

/**
 * Keeps the keys of an issuer: fetched when they are first needed, again after half of their time
 * while the old ones still serve, and when a token names a key that is not among them.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  #held: KeySet | undefined
  #loading: Promise<KeySet> | undefined
  #failure: { readonly error: unknown; readonly at: number } | undefined

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /** @throws {TankError} IDENTITY_UNAVAILABLE when there are no keys that may still be used */
  async current(): Promise<KeySet> {
    const held = this.#held
    if (held === undefined) return await this.#load()
    const age = this.#options.now() - held.loadedAt
    if (age >= this.#options.keepMs) return await this.#load()
    if (age >= this.#options.keepMs / 2) this.#load().catch(() => {}) // the old ones still serve
    return held
  }

  /**
   * Keys that were published later than these; undefined when the issuer was asked a moment ago.
   *
   * @throws {TankError} IDENTITY_UNAVAILABLE when the issuer does not answer
   */
  async after(known: KeySet): Promise<KeySet | undefined> {
    if (this.#held !== undefined && this.#held !== known) return this.#held
    if (this.#options.now() - known.loadedAt < UNKNOWN_PAUSE_MS) return undefined
    return await this.#load()
  }

  #load(): Promise<KeySet> {
    if (this.#loading !== undefined) return this.#loading
    const { now } = this.#options
    const failure = this.#failure
    if (failure !== undefined && now() - failure.at < FAILURE_PAUSE_MS) {
      return Promise.reject(failure.error)
    }
    const loadedAt = now()
    this.#loading = this.#ask()
      .then((find) => {
        this.#failure = undefined
        this.#held = { find, loadedAt }
        return this.#held
      })
      .catch((error: unknown) => {
        this.#failure = { error, at: now() }
        throw error
      })
      .finally(() => {
        this.#loading = undefined
      })
    return this.#loading
  }

  async #ask(): Promise<JWTVerifyGetKey> {
    const { http, jwksUri } = this.#options
    const url = jwksUri === '' ? await this.#discover() : jwksUri
    const { status, json } = await http.call({ url })
    if (status !== 200 || !Value.Check(keySet, json)) {
      throw identityUnavailable(`${url} answered ${status} and no JSON Web Key Set`)
    }
    const keys = json.keys.filter(({ kty }) => PUBLIC_KINDS.includes(kty))
    if (keys.length === 0) throw identityUnavailable(`${url} has no public keys`)
    return createLocalJWKSet({ keys: keys as JWK[] })
  }

  /** Where the keys are, by OpenID Connect Discovery 1.0, section 4. */
  async #discover(): Promise<string> {
    const { http, issuer } = this.#options
    const url = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`
    const { status, json } = await http.call({ url })
    if (status !== 200 || !Value.Check(discovery, json)) {
      throw identityUnavailable(`${url} answered ${status} and no discovery document`)
    }
    if (json.issuer !== issuer) {
      throw identityUnavailable(`${url} is of the issuer '${json.issuer}', not of '${issuer}'`)
    }
    if (!isSafeForKeys(json.jwks_uri)) {
      throw identityUnavailable(`${url} names keys at '${json.jwks_uri}', which is not https`)
    }
    return json.jwks_uri
  }
}
