import {
  type CreateToken,
  type FoundToken,
  isUuid,
  TankError,
  type TokenDocument
} from '@tank/model'
import { type Database, run } from './db/database.ts'
import { shownTime } from './images/document.ts'
import { invalidQuery } from './list/query-string.ts'
import { parseMoment } from './list/values.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/

const GRANT = `'user', t.user_id, 'project', t.project, 'domain', t.domain, 'roles', t.roles`

const DOCUMENT = `jsonb_build_object('id', t.id, 'name', t.name, ${GRANT},
  'state', CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked'
    WHEN t.expires_at <= now() THEN 'expired' ELSE 'valid' END,
  'created_at', ${shownTime('t.created_at')}, 'expires_at', ${shownTime('t.expires_at')},
  'last_used_at', ${shownTime('t.last_used_at')}, 'revoked_at', ${shownTime('t.revoked_at')})`

const INSERT = `INSERT INTO tokens AS t (id, name, digest, user_id, project, domain, roles, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING ${DOCUMENT} AS document`

const SAME = `SELECT ${DOCUMENT} AS document FROM tokens t WHERE t.id = $1 AND t.digest = $2`
const NAMED = 'SELECT FROM tokens WHERE name = $1 AND revoked_at IS NULL'

interface Row {
  readonly document: TokenDocument
}

function checkName(name: string): void {
  if (NAME.test(name) && !isUuid(name)) return
  throw new TankError(
    'INVALID_REQUEST',
    'The name of a token has 1 to 64 letters, digits and ._@-, begins with a letter or digit, and is no UUID.'
  )
}

function readExpiry(text: string | null): string | null {
  if (text === null) return null
  const moment = parseMoment(text)
  if (moment === undefined) {
    throw new TankError('INVALID_REQUEST', 'expires_at is no date and time (RFC 3339).')
  }
  return moment.text
}

/** Makes a token; the same id and digest again is the same creation. */
export function createToken(database: Database, token: CreateToken): Promise<TokenDocument> {
  const { id, name, digest, user, project, domain, roles } = token
  checkName(name)
  const values = [id, name, digest, user, project, domain, roles, readExpiry(token.expires_at)]
  return database.transaction(async (trx) => {
    const [made] = await run<Row>(trx, INSERT, values)
    if (made !== undefined) {
      if (made.document.state === 'valid') return made.document
      throw new TankError('INVALID_REQUEST', 'expires_at has passed: the token could not be used.')
    }
    const [same] = await run<Row>(trx, SAME, [id, digest])
    if (same !== undefined) return same.document
    const [named] = await run(trx, NAMED, [name])
    throw new TankError(
      'TOKEN_EXISTS',
      named === undefined
        ? 'The id or the digest belongs to another token: make new ones.'
        : `There is a token "${name}" already. Revoke it first, or choose another name.`
    )
  })
}

const PAGE = `SELECT ${DOCUMENT} FROM tokens t
  WHERE ($1::uuid IS NULL
      OR (t.created_at, t.id) > (SELECT m.created_at, m.id FROM tokens m WHERE m.id = $1))
    AND ($2 OR t.revoked_at IS NULL)
  ORDER BY t.created_at, t.id LIMIT $3`

const EXISTS = 'SELECT 1 FROM tokens WHERE id = $1'

export interface TokenQuery {
  readonly limit: number
  /** Id of the last token of the page before. */
  readonly marker: string | undefined
  /** Shows revoked ones, too. */
  readonly revoked: boolean
}

/** One page of tokens, the oldest first. */
export async function listTokens(
  database: Database,
  { limit, marker, revoked }: TokenQuery
): Promise<{ tokens: TokenDocument[]; next: string | null }> {
  if (marker !== undefined && (await database.query(EXISTS, [marker])).length === 0) {
    throw invalidQuery('The marker is not the id of a token.')
  }
  const rows = await database.query(PAGE, [marker ?? null, revoked, limit + 1])
  const tokens = rows.slice(0, limit).map(([document]) => document as TokenDocument)
  return { tokens, next: rows.length > limit ? (tokens.at(-1)?.id ?? null) : null }
}

const REVOKE = `UPDATE tokens SET revoked_at = coalesce(revoked_at, now())
  WHERE id = $1 RETURNING id`
const REVOKE_NAMED = `UPDATE tokens SET revoked_at = now()
  WHERE name = $1 AND revoked_at IS NULL RETURNING id`

/** Ends a token for good, by its id (also again) or by its name; returns the id. */
export async function revokeToken(database: Database, idOrName: string): Promise<string> {
  const statement = isUuid(idOrName) ? REVOKE : REVOKE_NAMED
  const [row] = await database.query(statement, [idOrName])
  if (row === undefined) {
    throw new TankError('TOKEN_NOT_FOUND', 'There is no token of this id or name.')
  }
  return String(row[0])
}

/** Use is noted once an hour, so that reading a token is not a write. */
const FIND = `WITH found AS MATERIALIZED (
    SELECT * FROM tokens
    WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
  ), used AS (
    UPDATE tokens SET last_used_at = now() WHERE id IN (SELECT id FROM found
      WHERE last_used_at IS NULL OR last_used_at < now() - interval '1 hour')
  )
  SELECT jsonb_build_object('id', t.id, ${GRANT}, 'expires_in_ms',
    floor(extract(epoch FROM t.expires_at - now()) * 1000)::bigint) FROM found t`

/**
 * The valid token of this digest; null when there is none. That the index takes no constant time
 * tells nothing: nobody can choose digests of secrets that come near to one.
 */
export async function findToken(database: Database, digest: string): Promise<FoundToken | null> {
  const [row] = await database.query(FIND, [digest], true)
  return row === undefined ? null : (row[0] as FoundToken)
}
