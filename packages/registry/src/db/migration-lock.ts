import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, PostgresAdapter, sql } from 'kysely'

/** The lock that Kysely's own adapter takes: registries of every version exclude each other. */
const LOCK = sql.lit(BigInt('3853314791062309107'))
const POLL_MS = 100

/**
 * Waits for the migrations of another server without a statement that waits: an index that is built
 * CONCURRENTLY waits for the end of every older statement, so the two would never end.
 */
export class PollingAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    const attempt = sql<{ taken: boolean }>`SELECT pg_try_advisory_lock(${LOCK}) AS taken`
    while ((await attempt.execute(db)).rows[0]?.taken !== true) await sleep(POLL_MS)
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`SELECT pg_advisory_unlock(${LOCK})`.execute(db)
  }
}
