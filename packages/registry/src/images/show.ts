import { type ImageLocations, isUuid, type RegistryCaller, TankError } from '@tank/model'
import type { Database } from '../db/database.ts'
import { blobDocument, displayId, documentText, exactTime, placementDocument } from './document.ts'
import { visibilityValues, visibleById } from './visibility.ts'

/** An image as JSON text, and its version for `ETag`. */
export interface RenderedImage {
  readonly body: string
  readonly version: number
}

export function imageNotFound(): TankError {
  return new TankError('IMAGE_NOT_FOUND', 'No image with this id was found.')
}

/** Ids that are no UUIDs are looked up like any other: nothing has them. */
export function checkImageId(id: string): string {
  if (!isUuid(id)) throw imageNotFound()
  return id
}

const SHOW = `SELECT ${documentText('i')}, i.version FROM images i
  WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

export async function showImage(
  database: Database,
  caller: RegistryCaller,
  id: string
): Promise<RenderedImage> {
  const values = [checkImageId(id), ...visibilityValues(caller)]
  const [row] = await database.query(SHOW, values, true)
  if (row === undefined) throw imageNotFound()
  return { body: row[0] as string, version: row[1] as number }
}

const BLOB = `SELECT ${blobDocument('b')}
  FROM blobs b WHERE b.id = i.blob_id AND b.completed_at IS NOT NULL`

const PLACEMENTS = `SELECT
    coalesce(jsonb_agg(${placementDocument('p')} ORDER BY p.created_at, p.id), '[]')
  FROM placements p WHERE p.blob_id = i.blob_id AND p.state = 'stored'
    AND p.role IN ('data', 'external')`

const LOCATIONS = `SELECT jsonb_build_object('id', ${displayId('i')},
    'placements', (${PLACEMENTS})) AS image
  FROM images i
  WHERE i.id = ANY($1) AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

/** Where the data of images lies; those that the caller does not see are left out. */
export async function findLocations(
  database: Database,
  caller: RegistryCaller,
  ids: readonly string[]
): Promise<ImageLocations[]> {
  const rows = await database.query(LOCATIONS, [ids, ...visibilityValues(caller)], true)
  return rows.map(([image]) => image as ImageLocations)
}

const DATA = `SELECT jsonb_build_object('id', ${displayId('i')}, 'status', i.status,
    'visibility', i.visibility, 'owner', i.owner, 'updated_at', ${exactTime('i.updated_at')},
    'blob', (${BLOB}), 'placements', (${PLACEMENTS}))::text
  FROM images i
  WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

/** What a download needs, as the JSON text of an `ImageData`. */
export async function showImageData(
  database: Database,
  caller: RegistryCaller,
  id: string
): Promise<string> {
  const values = [checkImageId(id), ...visibilityValues(caller)]
  const [row] = await database.query(DATA, values, true)
  if (row === undefined) throw imageNotFound()
  return row[0] as string
}
