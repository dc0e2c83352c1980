import type { Static } from 'typebox'
import type { Database } from './db/database.ts'
import type { StoredPlacementSchema } from './schemas.ts'

type StoredPlacement = Static<typeof StoredPlacementSchema>

const MOST_IMAGES = 10

const COLUMNS = `p.id, p.store, p.key, p.role, b.size, b.sha256, b.md5, b.os_hash_algo, b.os_hash_value,
  ARRAY(SELECT i.id::text FROM images i WHERE i.blob_id = b.id ORDER BY i.id LIMIT ${MOST_IMAGES})`

const STORED = `SELECT ${COLUMNS} FROM placements p JOIN blobs b ON b.id = p.blob_id
  WHERE p.state = 'stored'`

const PAGE = `${STORED} AND p.store = $1 AND ($2::uuid IS NULL OR p.id > $2::uuid)
  ORDER BY p.id LIMIT $3`

const ONE = `${STORED} AND p.id = $1`

function toPlacement(row: readonly unknown[]): StoredPlacement {
  const [id, store, key, role, size, sha256, md5, algorithm, value, images] = row
  const known = [
    ['sha256', sha256],
    ['md5', md5],
    [algorithm, value]
  ].filter(([name, digest]) => typeof name === 'string' && typeof digest === 'string')
  return {
    id: String(id),
    store: String(store),
    key: String(key),
    role: role as StoredPlacement['role'],
    size: typeof size === 'number' ? size : null,
    digests: Object.fromEntries(known) as Record<string, string>,
    images: images as string[]
  }
}

/** What lies in a store, by id; bytes that are being written or are garbage are left out. */
export async function listPlacements(
  database: Database,
  store: string,
  after: string | undefined,
  limit: number
): Promise<StoredPlacement[]> {
  const rows = await database.query(PAGE, [store, after ?? null, limit])
  return rows.map(toPlacement)
}

export async function findPlacement(
  database: Database,
  id: string
): Promise<StoredPlacement | undefined> {
  const [row] = await database.query(ONE, [id])
  return row && toPlacement(row)
}
