import { Type } from 'typebox'
import { nullable, oneOf, strict, Uuid } from './schemas.ts'

const Digest = Type.String({
  description: 'SHA-256 of the secret; the secret itself never comes here',
  pattern: '^[0-9a-f]{64}$'
})
/** What people read in a terminal has no control characters. */
const Identifier = nullable(
  Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })
)
const Roles = Type.Unsafe<readonly string[]>({
  type: 'array',
  items: { type: 'string', pattern: '^[^\\s,\\u0000-\\u001f\\u007f-\\u009f]{1,64}$' },
  minItems: 1,
  maxItems: 64
})
const GRANT = { user: Identifier, project: Identifier, domain: Identifier, roles: Roles }
const time = nullable(Type.String({ description: 'RFC 3339, UTC' }))

export const CreateTokenSchema = Type.Object(
  {
    id: Uuid,
    name: Type.String({
      description:
        '1 to 64 letters, digits and `._@-`, a letter or digit first; no UUID. No two tokens that are not revoked have the same'
    }),
    digest: Digest,
    ...GRANT,
    expires_at: time
  },
  strict
)

export const TokenDocumentSchema = Type.Object({
  id: Uuid,
  name: Type.String(),
  ...GRANT,
  state: oneOf(['valid', 'expired', 'revoked']),
  created_at: Type.String(),
  expires_at: time,
  last_used_at: nullable(Type.String({ description: 'RFC 3339, UTC; noted once an hour at most' })),
  revoked_at: time
})

export const FindTokenSchema = Type.Object({ digest: Digest }, strict)
export const FoundTokenSchema = Type.Object({
  id: Uuid,
  ...GRANT,
  expires_in_ms: nullable(Type.Integer({ minimum: 0 }))
})
