import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'

/** An empty database on the server of the test run; `drop` removes it. */
export async function freshDatabase(
  server = process.env.TANK_TEST_DATABASE_URL
): Promise<{ url: string; drop(): Promise<void> }> {
  if (server === undefined) throw new Error('TANK_TEST_DATABASE_URL is not set: use npm test')
  const name = `tank_${randomBytes(6).toString('hex')}`
  const sql = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: server })
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
  await sql(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}

/**
 * The part of a registry's configuration that names an empty database on the server of the test run, which
 * is there in less time than a server of its own.
 */
export async function sharedDatabase(t: Test): Promise<{ databaseUrl: string }> {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  return { databaseUrl: url }
}
