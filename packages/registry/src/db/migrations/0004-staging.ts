import { type Kysely, type Migration, sql } from 'kysely'

const STATEMENTS = [
  'ALTER TABLE placements ADD COLUMN expires_at timestamptz',
  `CREATE INDEX placements_expires ON placements (expires_at) WHERE expires_at IS NOT NULL`
]

/** Staged data does not wait for its import for ever. */
export const staging: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
  }
}
