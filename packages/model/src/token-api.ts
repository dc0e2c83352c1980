/** What a token makes of whoever sends it. */
export interface TokenGrant {
  readonly user: string | null
  readonly project: string | null
  readonly domain: string | null
  readonly roles: readonly string[]
}

/** Body of `POST /v1/tokens`. Idempotent by `id` and `digest`. */
export interface CreateToken extends TokenGrant {
  readonly id: string
  /** How people call it; no two tokens that are not revoked have the same. */
  readonly name: string
  /** SHA-256 of the secret, lower-case hexadecimal: the secret itself never goes to a registry. */
  readonly digest: string
  /** RFC 3339, UTC; null: never. */
  readonly expires_at: string | null
}

/** A token as administrators see it. Times are RFC 3339, UTC, with whole seconds. */
export interface TokenDocument extends TokenGrant {
  readonly id: string
  readonly name: string
  readonly state: 'valid' | 'expired' | 'revoked'
  readonly created_at: string
  readonly expires_at: string | null
  /** Noted once an hour at most. */
  readonly last_used_at: string | null
  readonly revoked_at: string | null
}

/** One page of tokens, the oldest first; `next` is the marker of the page that follows. */
export interface TokenPage {
  readonly tokens: readonly TokenDocument[]
  readonly next: string | null
}

/** A valid token, found by the digest of its secret. */
export interface FoundToken extends TokenGrant {
  readonly id: string
  /** Milliseconds from now until it expires; null: it does not. */
  readonly expires_in_ms: number | null
}
