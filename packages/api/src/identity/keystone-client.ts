import { isStorableText, textLength } from '@tank/model'
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { identityUnavailable } from './credentials.ts'
import type { IdentityAnswer, IdentityHttp } from './identity-http.ts'
import { authOf, tokensUrl } from './keystone-account.ts'
import type { KeystoneSection } from './keystone-section.ts'
import { KeystoneSession } from './keystone-session.ts'

const id = Type.Refine(
  Type.String({ minLength: 1 }),
  (text) => isStorableText(text) && textLength(text) <= 255
)
const place = Type.Object({ id })

const answer = Type.Object({
  token: Type.Object({
    expires_at: Type.String(),
    user: Type.Object({ id }),
    project: Type.Optional(Type.Object({ id, domain: place })),
    domain: Type.Optional(place),
    system: Type.Optional(Type.Object({ all: Type.Optional(Type.Boolean()) })),
    roles: Type.Optional(Type.Array(Type.Object({ name: Type.String() })))
  })
})

/** What Keystone says about a token. */
export type KeystoneToken = Static<typeof answer>['token']

/** Asks Keystone about tokens (Identity API v3, `GET /v3/auth/tokens`). */
export class KeystoneClient {
  readonly #http: IdentityHttp
  readonly #url: string
  readonly #session: KeystoneSession

  constructor(http: IdentityHttp, section: KeystoneSection, now: () => number) {
    this.#http = http
    this.#url = tokensUrl(section.url)
    this.#session = new KeystoneSession({
      http,
      tokensUrl: this.#url,
      auth: authOf(section),
      section: 'identity.keystone',
      now
    })
  }

  /** Gets our own token, so that wrong credentials show early. */
  async login(): Promise<void> {
    await this.#session.token()
  }

  /**
   * What a token stands for; undefined when it is unknown, expired or revoked.
   *
   * @throws {TankError} IDENTITY_UNAVAILABLE when Keystone does not say
   */
  async validate(token: string, allowExpired: boolean): Promise<KeystoneToken | undefined> {
    const own = await this.#session.token()
    const first = await this.#ask(own, token, allowExpired)
    if (first.status !== 401) return this.#read(first)
    const other = await this.#session.tokenAfter(own)
    return this.#read(await this.#ask(other, token, allowExpired))
  }

  #ask(own: string, subject: string, allowExpired: boolean): Promise<IdentityAnswer> {
    return this.#http.call({
      url: `${this.#url}?nocatalog=1${allowExpired ? '&allow_expired=1' : ''}`,
      headers: { 'x-auth-token': own, 'x-subject-token': subject }
    })
  }

  #read({ status, json }: IdentityAnswer): KeystoneToken | undefined {
    if (status === 404 || status === 400) return undefined
    if (status === 403) {
      throw identityUnavailable(
        'Keystone does not let the user of identity.keystone ask about tokens (403): give it the role service or admin'
      )
    }
    if (status !== 200) throw identityUnavailable(`${this.#url} answered ${status}`)
    if (!Value.Check(answer, json) || Number.isNaN(Date.parse(json.token.expires_at))) {
      throw identityUnavailable(`${this.#url} answered 200 and no token of the Identity API v3`)
    }
    return json.token
  }
}
