import { type EmbeddedPostgresOptions, openEmbeddedPostgres } from '../embedded-postgres/open.ts'
import { openRunDir, type RunDir } from '../run-dir.ts'
import type { Part } from '../shutdown.ts'

export interface Database {
  readonly url: string
  /** For people. */
  readonly description: string
  readonly notes: readonly string[]
  readonly runDir: RunDir
}

/** The database that the configuration names, else our own in the data directory. */
export async function openDatabase(
  url: string | undefined,
  options: EmbeddedPostgresOptions,
  add: (part: Part) => void
): Promise<Database> {
  if (url !== undefined) {
    const runDir = await openRunDir({ dataDir: options.dataDir, env: options.env ?? process.env })
    add({ stop: () => runDir.remove() })
    return { url, description: 'PostgreSQL, as configured', notes: [], runDir }
  }
  const postgres = await openEmbeddedPostgres(options)
  add({ stop: () => postgres.stop() })
  return {
    url: postgres.url,
    description: `PostgreSQL ${postgres.version} of its own, in ${postgres.data}`,
    notes: postgres.notes,
    runDir: postgres.runDir
  }
}
