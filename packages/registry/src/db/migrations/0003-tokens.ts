import { createMigration, statement } from './steps.ts'

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS tokens (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    user_id text,
    project text,
    domain text,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  'CREATE UNIQUE INDEX IF NOT EXISTS tokens_digest ON tokens (digest)',
  'CREATE UNIQUE INDEX IF NOT EXISTS tokens_name ON tokens (name) WHERE revoked_at IS NULL',
  'CREATE INDEX IF NOT EXISTS tokens_created ON tokens (created_at, id)'
]

/** Static tokens; of their secrets only a digest. */
export const tokens = createMigration(STATEMENTS.map(statement))
