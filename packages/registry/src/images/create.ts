import { type CreateImage, type RegistryCaller, TankError } from '@tank/model'
import type { Quotas } from '../config.ts'
import { type Database, run } from '../db/database.ts'
import { checkQuotas, OWN_SLOT } from '../usage.ts'
import { documentText } from './document.ts'
import { checkFields, uniqueTags } from './fields.ts'
import type { RenderedImage } from './show.ts'

/** Image, change and usage in one statement, so that a create is one trip to the database. */
const INSERT = `WITH made AS (
    INSERT INTO images (id, display_id, create_token, name, status, visibility, owner, protected,
      os_hidden, container_format, disk_format, min_disk, min_ram, tags, properties,
      announced_size, announced_checksum)
    VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $18, $19)
    ON CONFLICT (id) DO NOTHING RETURNING *
  ), noted AS (
    INSERT INTO changes (image_id, type, actor, project, request_id, detail)
    SELECT id, 'image.create', $15, $16, $17, jsonb_build_object('status', status) FROM made
  ), charged AS (
    INSERT INTO usage AS u (project, slot, images)
    SELECT owner, ${OWN_SLOT}, 1 FROM made WHERE owner IS NOT NULL
    ON CONFLICT (project, slot) DO UPDATE SET images = u.images + 1
  )
  SELECT ${documentText('made')} AS body, made.version FROM made`

const SAME = `SELECT ${documentText('i')}, i.version FROM images i
  WHERE i.id = $1 AND i.create_token = $2 AND i.deleted_at IS NULL`

function valuesOf(caller: RegistryCaller, image: CreateImage, owner: string | null): unknown[] {
  return [
    image.id,
    image.id === image.id.toLowerCase() ? null : image.id,
    image.create_token,
    image.name ?? null,
    image.visibility ?? 'shared',
    owner,
    image.protected ?? false,
    image.os_hidden ?? false,
    image.container_format ?? null,
    image.disk_format ?? null,
    image.min_disk ?? 0,
    image.min_ram ?? 0,
    uniqueTags(image.tags ?? []),
    JSON.stringify(image.properties ?? {}),
    caller.user,
    caller.project,
    caller.requestId,
    image.announced?.size ?? null,
    image.announced?.checksum ?? null
  ]
}

async function insertWithinQuota(
  database: Database,
  values: readonly unknown[],
  owner: string,
  quotas: Quotas
): Promise<RenderedImage | undefined> {
  return database.transaction(async (trx) => {
    const [made] = await run<RenderedImage>(trx, INSERT, values)
    if (made !== undefined) await checkQuotas(trx, owner, { images: 1 }, quotas)
    return made
  })
}

/** Creates an image; the same id with the same token again is the same creation. */
export async function createImage(
  database: Database,
  caller: RegistryCaller,
  image: CreateImage,
  quotas: Quotas
): Promise<RenderedImage> {
  checkFields(image)
  const owner = image.owner === undefined ? caller.project : image.owner
  const values = valuesOf(caller, image, owner)
  if (owner !== null && quotas.images !== null) {
    const made = await insertWithinQuota(database, values, owner, quotas)
    if (made !== undefined) return made
  } else {
    const [made] = await database.query(INSERT, values, true)
    if (made !== undefined) return { body: made[0] as string, version: made[1] as number }
  }
  const [same] = await database.query(SAME, [image.id, image.create_token])
  if (same === undefined) {
    throw new TankError('IMAGE_EXISTS', 'An image with this id exists, or once existed.')
  }
  return { body: same[0] as string, version: same[1] as number }
}
