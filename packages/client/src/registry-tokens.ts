import type { CreateToken, FoundToken, TokenDocument, TokenPage } from '@tank/model'
import {
  checked,
  type Exchange,
  json,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'

/** Which tokens a page shows. */
interface TokenListQuery {
  /** Tokens a page, at most 1000. */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly marker?: string
  /** Shows revoked ones, too. */
  readonly revoked?: boolean
}

/** Static tokens. Their secrets never go to a registry, only digests (SHA-256, hexadecimal). */
export interface TokenCalls {
  /** Rejects with TOKEN_EXISTS when a token that is not revoked has the name. */
  createToken(token: CreateToken, o?: RegistryCallOptions): Promise<TokenDocument>
  /** One page, the oldest first. */
  listTokens(query?: TokenListQuery, o?: RegistryCallOptions): Promise<TokenPage>
  /** Rejects with TOKEN_NOT_FOUND. */
  revokeToken(idOrName: string, o?: RegistryCallOptions): Promise<void>
  /** The valid token of a digest; null when there is none, or it is revoked or expired. */
  findToken(digest: string, o?: RegistryCallOptions): Promise<FoundToken | null>
}

/** The calls about tokens over an exchange. */
export function createTokenCalls(exchange: Exchange): TokenCalls {
  return {
    async createToken(token, options) {
      const answer = await exchange(SYSTEM_CALLER, 'POST', '/v1/tokens', token, options)
      return json<TokenDocument>(checked(answer))
    },
    async listTokens(query = {}, options) {
      const search = new URLSearchParams()
      for (const [name, value] of Object.entries(query)) search.set(name, String(value))
      const path = search.size === 0 ? '/v1/tokens' : `/v1/tokens?${search}`
      return json<TokenPage>(
        checked(await exchange(SYSTEM_CALLER, 'GET', path, undefined, options))
      )
    },
    async revokeToken(idOrName, options) {
      const path = `/v1/tokens/${encodeURIComponent(idOrName)}`
      const answer = await exchange(SYSTEM_CALLER, 'DELETE', path, undefined, options)
      if (answer.status === 404 && answer.repeated) return
      checked(answer)
    },
    async findToken(digest, options) {
      const body = { digest }
      const answer = await exchange(SYSTEM_CALLER, 'POST', '/v1/tokens/find', body, options)
      return json<{ token: FoundToken | null }>(checked(answer)).token
    }
  }
}
