import { type Kysely, type Migration, sql } from 'kysely'

const STATEMENTS = [
  `CREATE INDEX placements_staged ON placements (project)
    WHERE role = 'staged' AND state = 'stored'`,
  `CREATE INDEX operations_project ON operations (project) WHERE state IN ('pending', 'running')`
]

/** What a project has staged is counted when somebody asks for it. */
export const stagedUsage: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
  }
}
