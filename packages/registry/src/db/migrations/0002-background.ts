import { type Kysely, type Migration, sql } from 'kysely'

const STATEMENTS = [
  `ALTER TABLE operations
    ADD COLUMN background boolean NOT NULL DEFAULT false,
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    ADD COLUMN stores text[] NOT NULL DEFAULT '{}',
    ADD COLUMN targets jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN must_succeed boolean NOT NULL DEFAULT true,
    ADD COLUMN input jsonb,
    ADD COLUMN not_before timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN progress_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN ended_at timestamptz`,
  `ALTER TABLE placements
    ADD COLUMN operation_id uuid,
    ADD COLUMN weight integer NOT NULL DEFAULT 0`,
  `CREATE INDEX operations_pending ON operations (not_before, created_at) WHERE state = 'pending'`,
  `CREATE UNIQUE INDEX operations_attempt ON operations (attempt)
    WHERE background AND state = 'running'`,
  `CREATE INDEX placements_operation ON placements (operation_id) WHERE operation_id IS NOT NULL`
]

/** Work that waits for a worker: what it needs to know, how often it was tried, where it writes. */
export const background: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
  }
}
