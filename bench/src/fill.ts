import type { Client } from 'pg'

/** Marks the rows that the benchmark made: no other row is ever touched. */
const TOKEN = 'tank-bench'
const FIRST = '2020-01-01T00:00:00Z'

/** The id of image number `index`, counted from 1 in the order of creation. */
const ID = `md5('${TOKEN}-' || i)::uuid`

/** Removes what an earlier run left; refuses a database that holds anything else. */
export async function clearCatalogue(database: Client): Promise<void> {
  const { rows } = await database.query(
    `SELECT count(*)::int AS others FROM images WHERE create_token <> '${TOKEN}'`
  )
  if (rows[0]?.others !== 0) {
    throw new Error('the database holds images that this benchmark did not make; give it another')
  }
  await database.query('DELETE FROM images')
  await database.query('VACUUM images')
}

/**
 * Adds the images number `from` to `to`. Shares do not depend on the size: a tenth for each of ten
 * owners, a tenth has the common tag, the common property, is deactivated; a fifth is public. The
 * rare tag and property are on 20 of the oldest thousand, where a walk from the newest finds them last.
 */
export async function fillCatalogue(database: Client, from: number, to: number): Promise<void> {
  await database.query(
    `INSERT INTO images (id, create_token, name, status, visibility, owner, protected, os_hidden,
       container_format, disk_format, min_disk, min_ram, tags, properties, created_at, updated_at)
     SELECT ${ID}, '${TOKEN}', 'image-' || i,
       CASE WHEN (i / 3) % 10 = 0 THEN 'deactivated' ELSE 'active' END,
       (ARRAY['public', 'private', 'shared', 'private', 'community'])[(i / 7) % 5 + 1],
       'project-' || i % 10, false, false, 'bare', 'qcow2', 0, 512,
       ARRAY['tag-' || i % 1000]
         || CASE WHEN (i / 10) % 10 = 0 THEN ARRAY['common'] ELSE '{}' END
         || CASE WHEN i <= 1000 AND i % 50 = 3 THEN ARRAY['rare'] ELSE '{}' END,
       jsonb_build_object('os_distro', 'debian', 'os_version', (i % 20)::text)
         || CASE WHEN (i / 100) % 10 = 0 THEN '{"flavour": "common"}'::jsonb ELSE '{}' END
         || CASE WHEN i <= 1000 AND i % 50 = 3 THEN '{"flavour": "rare"}'::jsonb ELSE '{}' END,
       $3::timestamptz + i * interval '1 second', $3::timestamptz + i * interval '1 second'
     FROM generate_series($1::int, $2::int) AS i`,
    [from, to, FIRST]
  )
  await database.query('VACUUM ANALYZE images')
}

export async function imageId(database: Client, index: number): Promise<string> {
  const { rows } = await database.query(`SELECT ${ID} AS id FROM (SELECT $1::int AS i) AS n`, [
    index
  ])
  return String(rows[0]?.id)
}
