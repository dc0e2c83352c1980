import type { RegistryCaller } from '@tank/model'
import type { Database } from '../db/database.ts'
import { recordText } from './document.ts'
import { checkImageId, imageNotFound, type RenderedImage } from './show.ts'
import { visibilityValues, visibleById } from './visibility.ts'

const SHOW = `SELECT ${recordText('i')}, i.version FROM images i
  WHERE i.id = $1 AND (i.deleted_at IS NULL OR $4) AND ${visibleById('i', '$2', '$3')}`

/** An image as a record; administrators see deleted ones, too. */
export async function showRecord(
  database: Database,
  caller: RegistryCaller,
  id: string
): Promise<RenderedImage> {
  const values = [checkImageId(id), ...visibilityValues(caller), caller.scope === 'all']
  const [row] = await database.query(SHOW, values, true)
  if (row === undefined) throw imageNotFound()
  return { body: row[0] as string, version: row[1] as number }
}
