import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, type Migration, sql } from 'kysely'
import { isLockTimeout } from '../errors.ts'

/**
 * How long a table may be asked for: who comes later waits behind the one who asks. Longer than
 * `deadlock_timeout`, after which a vacuum gives way.
 */
const LOCK_TIMEOUT = '2s'
const PAUSE_MS = 1000
/** About an hour. */
const MAX_TRIES = 1200

/** A part of a migration that commits by itself, and does nothing when it has been done. */
export type Step = (db: Kysely<unknown>) => Promise<void>

/** What can be repeated as it is, and touches no table that is in use. */
export function statement(text: string): Step {
  return async (db) => {
    await sql.raw(text).execute(db)
  }
}

/** Adds columns to a table in use: for a moment it has to be nobody else's. */
export function addColumns(table: string, columns: readonly string[]): Step {
  const text = `ALTER TABLE ${table}
    ${columns.map((column) => `ADD COLUMN IF NOT EXISTS ${column}`).join(', ')}`
  const attempt = (db: Kysely<unknown>) =>
    db.transaction().execute(async (trx) => {
      await sql.raw(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`).execute(trx)
      await sql.raw(text).execute(trx)
    })
  return async (db) => {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(db)
      } catch (error) {
        if (tries === MAX_TRIES || !isLockTimeout(error)) throw error
        await sleep(PAUSE_MS)
      }
    }
  }
}

/** Builds an index, of which `definition` is what follows ON, while the table is read and written. */
export function createIndex(name: string, definition: string, { unique = false } = {}): Step {
  const index = sql.raw(name)
  const found = sql<{ valid: boolean }>`
    SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass(${name})`
  return async (db) => {
    const [existing] = (await found.execute(db)).rows
    if (existing?.valid === true) return
    // the rest of a build that did not end
    if (existing !== undefined) await sql`DROP INDEX CONCURRENTLY ${index}`.execute(db)
    await sql`CREATE ${sql.raw(unique ? 'UNIQUE ' : '')}INDEX CONCURRENTLY ${index}
      ON ${sql.raw(definition)}`.execute(db)
  }
}

/** Takes its steps one after the other; one that stopped halfway is begun again. */
export function createMigration(steps: readonly Step[]): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const step of steps) await step(db)
    }
  }
}
