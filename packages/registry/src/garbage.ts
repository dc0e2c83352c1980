import { createHash } from 'node:crypto'
import type { GarbagePlacement } from '@tank/model'
import { type Database, type Executor, run } from './db/database.ts'
import { charge } from './usage.ts'

/** How long a collector has for the placements that it was given. */
const CLAIM_SECONDS = 60

const LOCK_BLOB = 'SELECT id FROM blobs WHERE id = $1 FOR UPDATE'

/** Images whose deletion waits have their blob, too. */
const UNUSED = `NOT EXISTS (SELECT FROM images i WHERE i.blob_id = $1)`

const DISCARD = `UPDATE placements SET state = 'garbage', garbage_at = now(), next_at = now()
  WHERE blob_id = $1 AND state = 'stored' AND role <> 'external' AND ${UNUSED}`

/** Bytes at an outside location are not ours to delete. */
const FORGET = `DELETE FROM placements WHERE blob_id = $1 AND role = 'external' AND ${UNUSED}`

/** Work that waits to be done again has its blob, though it lies nowhere yet. */
const REMOVE_BLOB = `DELETE FROM blobs b WHERE b.id = $1
  AND NOT EXISTS (SELECT FROM placements p WHERE p.blob_id = b.id)
  AND NOT EXISTS (SELECT FROM images i WHERE i.blob_id = b.id)
  AND NOT EXISTS (SELECT FROM operations o WHERE o.blob_id = b.id
    AND o.exclusive AND o.state IN ('pending', 'running'))`

/** Removes the record of a blob that lies nowhere and that no image and no work has. */
export async function forgetBlob(trx: Executor, blobId: string): Promise<void> {
  // who lets go of it last removes it
  await run(trx, LOCK_BLOB, [blobId])
  await run(trx, REMOVE_BLOB, [blobId])
}

/** Called after an image has let go of a blob: the last one turns its placements into garbage. */
export async function releaseBlob(trx: Executor, blobId: string): Promise<void> {
  await run(trx, LOCK_BLOB, [blobId])
  await run(trx, DISCARD, [blobId])
  await run(trx, FORGET, [blobId])
  await run(trx, REMOVE_BLOB, [blobId])
}

const CLAIM = `UPDATE placements SET claim = gen_random_uuid(),
    claimed_until = now() + make_interval(secs => ${CLAIM_SECONDS})
  WHERE id IN (
    SELECT id FROM placements
    WHERE state = 'garbage' AND store = ANY($1) AND next_at <= now()
      AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ) RETURNING id, store, key, claim`

/** Hands garbage to a collector, each placement to one at a time. */
export async function claimGarbage(
  database: Database,
  stores: readonly string[],
  limit: number
): Promise<GarbagePlacement[]> {
  const rows = await database.query(CLAIM, [stores, limit])
  return rows.map(([id, store, key, claim]) => ({
    id: String(id),
    store: String(store),
    key: String(key),
    claim: String(claim)
  }))
}

const KNOWN = `SELECT key FROM placements
  WHERE store = $1 AND md5(key) = ANY($2) AND role <> 'external'`

/** Which of these keys of a store no record names, as placement or as garbage. */
export async function findOrphans(
  database: Database,
  store: string,
  keys: readonly string[]
): Promise<string[]> {
  const hashes = keys.map((key) => createHash('md5').update(key).digest('hex'))
  const rows = await database.query(KNOWN, [store, hashes])
  const known = new Set(rows.map(([key]) => String(key)))
  return keys.filter((key) => !known.has(key))
}

interface Claimed {
  readonly blob_id: string
  readonly project: string | null
  readonly bytes: number
  readonly done: boolean
}

const CLAIMED = `SELECT blob_id, project, bytes,
    now() >= garbage_at + make_interval(secs => $3::double precision / 1000) AS done
  FROM placements WHERE id = $1 AND claim = $2 AND state = 'garbage' FOR UPDATE`

const AGAIN = `UPDATE placements SET bytes = 0, claim = NULL, claimed_until = NULL,
    next_at = now() + make_interval(secs => $2::double precision / 1000)
  WHERE id = $1`

const REMOVE = 'DELETE FROM placements WHERE id = $1'

/**
 * A store has said that the key is gone. Its bytes leave the sum; the row stays and is handed out
 * again until no writer can be left that might write to the key after all.
 */
export function garbageDeleted(
  database: Database,
  id: string,
  claim: string,
  times: { readonly leaseMs: number; readonly garbageGraceMs: number }
): Promise<void> {
  return database.transaction(async (trx) => {
    const [row] = await run<Claimed>(trx, CLAIMED, [id, claim, times.garbageGraceMs])
    if (row === undefined) return
    if (row.done) {
      await run(trx, REMOVE, [id])
      await forgetBlob(trx, row.blob_id)
    } else {
      await run(trx, AGAIN, [id, times.leaseMs])
    }
    await charge(trx, row.project, { stored: -row.bytes })
  })
}

export interface GarbageCount {
  readonly store: string
  readonly placements: number
  readonly bytes: number
}

const COUNT = `SELECT store, count(*), coalesce(sum(bytes), 0)::bigint FROM placements
  WHERE state = 'garbage' AND ($1::text IS NULL OR store = $1) GROUP BY store ORDER BY store`

export async function countGarbage(
  database: Database,
  store: string | undefined
): Promise<GarbageCount[]> {
  const rows = await database.query(COUNT, [store ?? null])
  return rows.map(([name, placements, bytes]) => ({
    store: String(name),
    placements: Number(placements),
    bytes: Number(bytes)
  }))
}
