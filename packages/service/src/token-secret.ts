import { createHash, randomBytes } from 'node:crypto'

const FORM = 'tank_[A-Za-z0-9_-]{43}'
const WHOLE = new RegExp(`^${FORM}$`)
/** Every secret of a token inside a text. */
export const TOKEN_SECRETS = new RegExp(FORM, 'g')

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/**
 * What registries know a token by: SHA-256 of its secret, lower-case hexadecimal; undefined when the
 * text cannot be a secret of ours. Random bits need neither salt nor a slow hash.
 */
export function tokenDigest(secret: string): string | undefined {
  return WHOLE.test(secret) ? digestOf(secret) : undefined
}

/** A new secret, 256 random bits behind a prefix that scanners for leaked secrets know, and its digest. */
export function newTokenSecret(): { readonly secret: string; readonly digest: string } {
  const secret = `tank_${randomBytes(32).toString('base64url')}`
  return { secret, digest: digestOf(secret) }
}
