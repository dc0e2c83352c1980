import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import t from 'tap'
import { openDatabase } from '../src/db/database.ts'
import { buildRegistry, migrate, migrationStatus, type RegistryConfig } from '../src/index.ts'
import { pageStatement } from '../src/list/list.ts'
import { parseListQuery } from '../src/list/list-query.ts'
import { create, createDatabase, openPool, openRegistry, SECRET, until } from './registry.ts'

const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing'

t.test('the committed OpenAPI document is up to date', async (t) => {
  const app = await buildRegistry({ databaseUrl: NOWHERE, secret: SECRET, migrate: false })
  t.teardown(() => app.close())
  const served = (await app.inject('/openapi.json')).json()
  const path = fileURLToPath(new URL('../../openapi.json', import.meta.url))
  t.strictSame(served, JSON.parse(await readFile(path, 'utf8')), 'run `npm run openapi`')
  t.equal(served.openapi, '3.1.0')
  t.equal(Object.keys(served.paths).length, 55)
})

t.test('configuration faults', async (t) => {
  const bad: Partial<RegistryConfig>[] = [
    { secret: 'short' },
    { heartbeatSeconds: 30, leaseSeconds: 30 },
    { poolSize: 0 },
    { quotas: { bytes: -1 } }
  ]
  for (const fields of bad) {
    const config = { databaseUrl: NOWHERE, secret: SECRET, migrate: false, ...fields }
    await t.rejects(buildRegistry(config), /registry config/, JSON.stringify(fields))
  }
})

t.test('V1-106 migrations: servers that boot together, and a second time', async (t) => {
  const url = await createDatabase(t)
  const before = await migrationStatus(url)
  t.ok(before.every(({ appliedAt }) => appliedAt === null))
  const applied = await Promise.all([migrate(url), migrate(url), migrate(url)])
  t.strictSame(
    applied.flat(),
    before.map(({ name }) => name),
    'each was applied once'
  )
  t.strictSame(await migrate(url), [])
  t.ok((await migrationStatus(url)).every(({ appliedAt }) => appliedAt !== null))
  const pool = openPool(t, url)
  t.strictSame(await migrate(pool), [], 'a pool of the caller stays open')
  await pool.query('SELECT 1')
})

t.test('V1-106 migrations that stopped halfway are done to their end', async (t) => {
  const url = await createDatabase(t)
  const applied = await migrate(url)
  const pool = openPool(t, url)
  const schema = async () => {
    const indexes = await pool.query(`SELECT indexdef FROM pg_indexes ORDER BY indexname`)
    const columns = await pool.query(
      `SELECT table_name, column_name, column_default FROM information_schema.columns
       WHERE table_schema = 'public' ORDER BY table_name, column_name`
    )
    return [indexes.rows, columns.rows]
  }
  const before = await schema()
  await pool.query('DELETE FROM kysely_migration')
  t.strictSame(await migrate(url), applied, 'all of it was there already')
  t.strictSame(await schema(), before)
  await pool.query(`DELETE FROM kysely_migration WHERE name >= '0010'`)
  await pool.query('ALTER TABLE images DROP COLUMN announced_size')
  await pool.query('DROP INDEX images_unfinished')
  await pool.query(
    `INSERT INTO images (id, create_token, status, visibility, protected, os_hidden, min_disk,
       min_ram, tags, properties)
     SELECT gen_random_uuid(), 't', 'queued', 'shared', false, false, 0, 0, '{}', '{}'
     FROM generate_series(1, 2)`
  )
  const unbuilt = `CREATE UNIQUE INDEX CONCURRENTLY images_unfinished ON images (status)`
  await t.rejects(pool.query(unbuilt), { code: '23505' }, 'leaves an index that is not valid')
  await migrate(url)
  t.strictSame(await schema(), before)
  const { rows } = await pool.query(
    `SELECT indisvalid FROM pg_index WHERE indexrelid = 'images_unfinished'::regclass`
  )
  t.strictSame(rows, [{ indisvalid: true }])
})

t.test('V1-106 registries read and write while a newer one migrates', async (t) => {
  const url = await createDatabase(t)
  await migrate(url)
  const pool = openPool(t, url)
  const client = await pool.connect()
  t.teardown(() => client.release())
  const waiting = (text: string) =>
    until(async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event_type = 'Lock' AND query ILIKE $1`,
        [`${text}%`]
      )
      return rows.length > 0
    })
  const limited = (text: string) => pool.query({ text, query_timeout: 10_000 } as pg.QueryConfig)
  const again = async () => {
    await pool.query(`DELETE FROM kysely_migration WHERE name >= '0010'`)
    return Promise.all([migrate(url), migrate(url), migrate(url)])
  }

  await pool.query('ALTER TABLE images DROP COLUMN announced_size')
  await client.query('BEGIN')
  await client.query('SELECT FROM images')
  let migrated = again()
  await waiting('ALTER TABLE images')
  await t.resolves(limited('SELECT FROM images'), 'no read is held up by a change that waits')
  await client.query('COMMIT')
  t.equal((await migrated).flat().length, 2)

  await pool.query('DROP INDEX images_unfinished')
  await client.query('BEGIN')
  await client.query('UPDATE images SET min_ram = 1')
  migrated = again()
  await waiting('CREATE%INDEX')
  const write = limited('UPDATE images SET min_ram = 2')
  await t.resolves(write, 'no write is held up by an index that waits')
  await client.query('COMMIT')
  t.equal((await migrated).flat().length, 2)
})

t.test('V1-106 an older registry starts beside a newer one, and changes nothing', async (t) => {
  const url = await createDatabase(t)
  await migrate(url)
  const pool = openPool(t, url)
  await pool.query(`INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', 'now')`)
  t.strictSame(await migrate(url), [])
  t.ok((await migrationStatus(url)).every(({ appliedAt }) => appliedAt !== null))
})

t.test('a database that is away is 503, and the server lives on', async (t) => {
  const app = await buildRegistry({ databaseUrl: NOWHERE, secret: SECRET, migrate: false })
  t.teardown(() => app.close())
  const headers = { authorization: `Bearer ${SECRET}` }
  const answer = await app.inject({ url: '/v1/images', headers })
  t.equal(answer.statusCode, 503)
  t.equal(answer.json().code, 'REGISTRY_UNAVAILABLE')
  t.equal((await app.inject('/readyz')).statusCode, 503)
  t.equal((await app.inject('/healthcheck')).statusCode, 200)
})

t.test('lost connections do not end the server', async (t) => {
  const registry = await openRegistry(t, { poolSize: 3 })
  const p1 = { project: 'P1' }
  const { id } = await create(registry, p1)
  for (let round = 0; round < 5; round++) {
    const answers = Promise.all(
      Array.from({ length: 20 }, () =>
        registry.call(p1, 'POST', `/images/${id}/members`, { member: 'M' })
      )
    )
    await registry.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'tank-registry' AND datname = current_database()`
    )
    for (const { status } of await answers) t.match(String(status), /^(200|409|503)$/)
  }
  t.equal((await registry.call(p1, 'GET', `/images/${id}`)).status, 200)
})

t.test('list pages are read in the order of an index', async (t) => {
  const url = await createDatabase(t)
  await migrate(url)
  const log = { warn: () => undefined }
  const database = openDatabase({ url, poolSize: 1, statementTimeoutMs: 60_000, log })
  t.teardown(() => database.close())
  await database.query(
    `INSERT INTO images (id, create_token, name, status, visibility, owner, protected, os_hidden,
       min_disk, min_ram, size, tags, properties, created_at)
     SELECT gen_random_uuid(), 't', 'name ' || n % 5000,
       CASE WHEN n % 500 = 0 THEN 'queued' ELSE 'active' END,
       CASE WHEN n % 50 = 1 THEN 'public' WHEN n % 5 = 2 THEN 'community'
         WHEN n % 2 = 0 THEN 'shared' ELSE 'private' END,
       'p' || n % 100, false, n % 200 = 0, 0, 0, n,
       CASE WHEN n % 1000 = 3 THEN ARRAY['rare'] ELSE '{}' END,
       CASE WHEN n % 1000 = 3 THEN '{"rare":"yes"}'::jsonb ELSE '{}' END,
       now() - n * interval '1 second'
     FROM generate_series(1, 20000) n`,
    []
  )
  await database.query('ANALYZE images', [])
  const member = { project: 'p7', user: null, scope: 'project', requestId: 'r' } as const
  const admin = { ...member, scope: 'all' } as const
  const marker = {
    'sort=created_at': ['2024-01-01T00:00:00Z', '00000000-0000-4000-8000-000000000000'],
    'sort=name:asc': ['name 5', '2024-01-01T00:00:00Z', '00000000-0000-4000-8000-000000000000']
  }
  const plan = async (
    caller: typeof member | typeof admin,
    search: string,
    after?: readonly string[]
  ): Promise<string> => {
    const query = parseListQuery(search, { default: 25, max: 1000 })
    const statement = pageStatement(caller, query, after)
    if (statement === undefined) throw new Error('nothing to see')
    const { text, values, named } = statement
    if (!named) {
      const rows = await database.query(`EXPLAIN ${text}`, values)
      return rows.join('\n')
    }
    // what a named statement gets in the long run: a plan that knows no values
    await database.query('SET plan_cache_mode = force_generic_plan', [])
    await database.query(`PREPARE page AS ${text}`, [])
    const literals = values.map((value) => `'${value}'`).join(', ')
    const rows = await database.query(
      `EXPLAIN EXECUTE page${values.length === 0 ? '' : `(${literals})`}`,
      []
    )
    await database.query('DEALLOCATE page', [])
    await database.query('RESET plan_cache_mode', [])
    return rows.join('\n')
  }
  for (const caller of [member, admin]) {
    for (const visibility of ['', 'visibility=public&', 'visibility=community&']) {
      for (const [sort, after] of Object.entries(marker)) {
        for (const values of [undefined, after]) {
          const text = await plan(caller, `${visibility}${sort}`, values)
          const name = `${caller.scope} ${visibility}${sort} ${values === undefined ? '' : 'deep'}`
          t.notMatch(text, /Seq Scan on images/, name)
          t.match(text, /Index Scan.* using images_/, name)
          const of = sort === 'sort=created_at' ? 'created' : 'name'
          if (visibility !== '') t.match(text, `images_visibility_${of}`, name)
        }
      }
    }
    const selective: [search: string, index: RegExp][] = [
      ['name=name 7', /images_(owner|visibility)_name/],
      ['status=queued', /images_(owner|visibility)_status/],
      ['tag=rare', /images_tags|images_(owner|visibility)_/],
      ['rare=yes', /images_properties|images_(owner|visibility)_/],
      ['os_hidden=true', /images_(owner|visibility)_hidden/],
      ['owner=p9', /images_(owner|visibility)_/]
    ]
    for (const [search, index] of selective) {
      const text = await plan(caller, search.replace(' ', '%20'))
      t.match(text, index, `${caller.scope} ${search}`)
      t.notMatch(text, /Seq Scan on images/, `${caller.scope} ${search}`)
    }
  }
})
