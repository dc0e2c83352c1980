import { type Kysely, type Migration, sql } from 'kysely'

/** What people say about locations that they add. */
export const locationMetadata: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql
      .raw(`ALTER TABLE placements ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}'`)
      .execute(db)
  }
}
