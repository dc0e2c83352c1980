import {
  type AnnouncedData,
  type ImageFields,
  type RegistryCaller,
  TankError,
  type UpdateImage
} from '@tank/model'
import type { Quotas } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { charge, checkQuotas } from '../usage.ts'
import { documentText } from './document.ts'
import { checkFields, uniqueTags } from './fields.ts'
import { updateLocations } from './locations.ts'
import { checkImageId, imageNotFound, type RenderedImage } from './show.ts'
import { visibilityValues, visibleById } from './visibility.ts'

const COLUMNS = [
  'name',
  'visibility',
  'protected',
  'os_hidden',
  'owner',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'tags',
  'properties'
] as const satisfies readonly (keyof ImageFields)[]

function columnValue(fields: ImageFields, column: (typeof COLUMNS)[number]): unknown {
  if (column === 'tags') return uniqueTags(fields.tags ?? [])
  if (column === 'properties') return JSON.stringify(fields.properties ?? {})
  return fields[column]
}

export function versionConflict(): TankError {
  return new TankError('VERSION_CONFLICT', 'The image has changed since it was read.')
}

interface Update {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Compare-and-set on the version: one statement, with the change row. */
function updateStatement(
  caller: RegistryCaller,
  id: string,
  version: number,
  fields: ImageFields
): Update {
  const names = COLUMNS.filter((column) => fields[column] !== undefined)
  const values: unknown[] = [
    id,
    version,
    ...visibilityValues(caller),
    caller.user,
    caller.project,
    caller.requestId,
    JSON.stringify({ fields: names }),
    ...names.map((name) => columnValue(fields, name))
  ]
  const columns = names.map((name, index) => `${name} = $${index + 9}, `).join('')
  const text = `WITH changed AS (
      UPDATE images i SET ${columns}version = i.version + 1, updated_at = now()
      WHERE i.id = $1 AND i.version = $2 AND i.deleted_at IS NULL
        AND ${visibleById('i', '$3', '$4')}
      RETURNING i.*
    ), noted AS (
      INSERT INTO changes (image_id, type, actor, project, request_id, detail)
      SELECT id, 'image.update', $5, $6, $7, $8::jsonb FROM changed
    )
    SELECT ${documentText('changed')} AS body, changed.version FROM changed`
  return { text, values }
}

/** Changes an image that is locked already. Throws VERSION_CONFLICT when it has another version. */
export async function changeLocked(
  trx: Executor,
  caller: RegistryCaller,
  id: string,
  version: number,
  fields: ImageFields
): Promise<void> {
  checkFields(fields)
  const { text, values } = updateStatement(caller, id, version, fields)
  const [changed] = await run(trx, text, values)
  if (changed === undefined) throw versionConflict()
}

const CURRENT = `SELECT ${documentText('i')} AS body, i.version, i.owner, i.blob_id, i.id
  FROM images i WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

interface Current extends RenderedImage {
  readonly id: string
  readonly owner: string | null
  readonly blob_id: string | null
}

const MOVE_PLACEMENTS = `WITH moved AS (
    UPDATE placements SET project = $2 WHERE blob_id = $1 AND project IS NOT DISTINCT FROM $3
    RETURNING bytes
  ) SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM moved`

/** An image that changes hands takes its share of the usage with it. */
async function moveUsage(
  trx: Executor,
  current: Current,
  owner: string | null,
  quotas: Quotas
): Promise<void> {
  const [moved] =
    current.blob_id === null
      ? []
      : await run<{ bytes: number }>(trx, MOVE_PLACEMENTS, [current.blob_id, owner, current.owner])
  const stored = moved?.bytes ?? 0
  const sides = [
    { project: current.owner, sign: -1 },
    { project: owner, sign: 1 }
  ].sort((a, b) => ((a.project ?? '') < (b.project ?? '') ? -1 : 1))
  for (const { project, sign } of sides) {
    await charge(trx, project, { images: sign, stored: sign * stored })
  }
  if (owner === null) return
  await checkQuotas(trx, owner, { images: 1, ...(stored > 0 ? { bytes: stored } : {}) }, quotas)
}

const ANNOUNCE = `UPDATE images SET
    announced_size = CASE WHEN $2 THEN $3::bigint ELSE announced_size END,
    announced_checksum = CASE WHEN $4 THEN $5::text ELSE announced_checksum END
  WHERE id = $1 AND status = 'queued' RETURNING id`

/** Notes what data is said to be that is still to come. */
async function announce(trx: Executor, { id }: Current, data: AnnouncedData): Promise<void> {
  const { size, checksum } = data
  const given = [size !== undefined, size ?? null, checksum !== undefined, checksum ?? null]
  const [done] = await run(trx, ANNOUNCE, [id, ...given])
  if (done === undefined) {
    throw new TankError('IMAGE_STATE', 'Data is announced only while the image is queued.')
  }
}

/** Changes that concern other rows, too, in one transaction; undefined when the version is another. */
function updateWhole(
  database: Database,
  caller: RegistryCaller,
  id: string,
  update: Update,
  { owner, locations, announced }: UpdateImage,
  quotas: Quotas
): Promise<RenderedImage | undefined> {
  return database.transaction(async (trx) => {
    const values = [id, ...visibilityValues(caller)]
    const [current] = await run<Current>(trx, `${CURRENT} FOR NO KEY UPDATE`, values)
    if (current === undefined) throw imageNotFound()
    const [changed] = await run<RenderedImage>(trx, update.text, update.values)
    if (changed === undefined) return undefined
    if (owner !== undefined && current.owner !== owner) {
      await moveUsage(trx, current, owner, quotas)
    }
    if (announced !== undefined) await announce(trx, current, announced)
    if (locations === undefined && announced === undefined) return changed
    if (locations !== undefined) await updateLocations(trx, caller, current.id, locations)
    const [shown] = await run<RenderedImage>(trx, CURRENT, values)
    return shown
  })
}

/** Changes the given fields if the image still has the given version. */
export async function updateImage(
  database: Database,
  caller: RegistryCaller,
  id: string,
  version: number,
  { locations, announced, ...fields }: UpdateImage,
  quotas: Quotas
): Promise<RenderedImage> {
  checkFields(fields)
  const isWide = fields.owner !== undefined || locations !== undefined || announced !== undefined
  const isChange = Object.keys(fields).length > 0 || isWide
  const update = updateStatement(caller, checkImageId(id), version, fields)
  if (isChange) {
    if (!isWide) {
      const [row] = await database.query(update.text, update.values)
      if (row !== undefined) return { body: row[0] as string, version: row[1] as number }
    } else {
      const whole = {
        ...fields,
        ...(locations === undefined ? {} : { locations }),
        ...(announced === undefined ? {} : { announced })
      }
      const changed = await updateWhole(database, caller, id, update, whole, quotas)
      if (changed !== undefined) return changed
    }
  }
  const [current] = await database.query(CURRENT, [id, ...visibilityValues(caller)])
  if (current === undefined) throw imageNotFound()
  if (current[1] !== version || isChange) throw versionConflict()
  return { body: current[0] as string, version }
}
