import { type Kysely, type MigrationResultSet, Migrator } from 'kysely'
import type pg from 'pg'
import { createKysely, openPool } from './database.ts'
import { MIGRATIONS } from './migrations/index.ts'

export interface MigrationState {
  readonly name: string
  /** When it was applied, null while it is pending. */
  readonly appliedAt: string | null
}

/** Migrations may rewrite large tables. */
const MIGRATION_TIMEOUT_MS = 3_600_000
const SILENT = { warn: () => undefined }

function createMigrator(kysely: Kysely<unknown>): Migrator {
  return new Migrator({ db: kysely, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } })
}

async function withKysely<T>(
  database: string | pg.Pool,
  use: (kysely: Kysely<unknown>) => Promise<T>
): Promise<T> {
  if (typeof database !== 'string') return use(createKysely(database))
  const pool = openPool({
    url: database,
    poolSize: 2,
    statementTimeoutMs: MIGRATION_TIMEOUT_MS,
    log: SILENT
  })
  try {
    return await use(createKysely(pool))
  } finally {
    await pool.end()
  }
}

/**
 * Brings a database up to date. Servers that boot at the same time wait for each other: the
 * migrations run in one transaction under an advisory lock. Returns the names that were applied.
 */
export function migrate(database: string | pg.Pool): Promise<string[]> {
  return withKysely(database, async (kysely) => {
    const { error, results }: MigrationResultSet = await createMigrator(kysely).migrateToLatest()
    if (error !== undefined) throw error
    return (results ?? []).filter((r) => r.status === 'Success').map((r) => r.migrationName)
  })
}

/** Every migration that this version knows, and whether the database has it. */
export function migrationStatus(database: string | pg.Pool): Promise<MigrationState[]> {
  return withKysely(database, async (kysely) => {
    const migrations = await createMigrator(kysely).getMigrations()
    return migrations.map(({ name, executedAt }) => ({
      name,
      appliedAt: executedAt?.toISOString() ?? null
    }))
  })
}
