import { type Kysely, type MigrationResultSet, Migrator, sql } from 'kysely'
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
  return new Migrator({
    db: kysely,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    // in one transaction the first change of a table would lock it until the last index is built
    disableTransactions: true
  })
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

const APPLIED = sql<{ name: string }>`SELECT name FROM kysely_migration`
const HAS_MIGRATIONS = sql<{
  has: boolean
}>`SELECT to_regclass('kysely_migration') IS NOT NULL AS has`

/** Whether a newer version of this package has been here: it keeps what older ones need. */
async function isAhead(kysely: Kysely<unknown>): Promise<boolean> {
  const { rows } = await HAS_MIGRATIONS.execute(kysely)
  if (rows[0]?.has !== true) return false
  const last = Object.keys(MIGRATIONS).sort().at(-1) ?? ''
  return (await APPLIED.execute(kysely)).rows.some(({ name }) => name > last)
}

/**
 * Brings a database up to date; one that a newer version has changed is left as it is. Servers that
 * boot at the same time wait for each other, those that run go on. What was stopped halfway goes on
 * with the next call. Returns the names that were applied.
 */
export function migrate(database: string | pg.Pool): Promise<string[]> {
  return withKysely(database, async (kysely) => {
    if (await isAhead(kysely)) return []
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
