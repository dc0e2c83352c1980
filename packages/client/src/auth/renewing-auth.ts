import type { Auth } from './auth.ts'

/** What an identity service gave. */
export interface Grant {
  readonly token: string
  /** Undefined for ever. */
  readonly lifetimeMs: number | undefined
}

/** Tokens are renewed this long before their end, short-lived ones after nine tenths of their life. */
const MARGIN_MS = 60_000

/** Keeps what `obtain` gives until shortly before its end, or until a server refuses it. */
export function renewingAuth<G extends Grant>(
  obtain: () => Promise<G>
): Auth & { readonly grant: () => Promise<G> } {
  let current: { readonly grant: G; readonly renewAt: number } | undefined
  let pending: Promise<G> | undefined
  const renew = async () => {
    const asked = Date.now()
    const grant = await obtain()
    const { lifetimeMs = Number.POSITIVE_INFINITY } = grant
    current = { grant, renewAt: asked + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 10) }
    return grant
  }
  const grant = (): Promise<G> => {
    if (current !== undefined && Date.now() < current.renewAt) return Promise.resolve(current.grant)
    pending ??= renew().finally(() => {
      pending = undefined
    })
    return pending
  }
  return {
    grant,
    token: async () => (await grant()).token,
    refuse(token) {
      if (current?.grant.token === token) current = undefined
      return true
    }
  }
}
