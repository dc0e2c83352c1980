import { type BlobFacts, type FinishOperation, type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Quotas } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { releaseBlob } from '../garbage.ts'
import { documentText } from '../images/document.ts'
import type { LockedImage } from '../images/lock.ts'
import type { RenderedImage } from '../images/show.ts'
import { storesOfBlob } from '../images/stores.ts'
import { charge, checkQuotas } from '../usage.ts'
import type { RunningOperation } from './end.ts'
import { lockOperation } from './find.ts'
import { takeFound } from './found.ts'
import { operationGone } from './lease.ts'
import { markImage } from './marks.ts'

const DOCUMENT = `SELECT ${documentText('i')} AS body, i.version FROM images i WHERE i.id = $1`

async function renderImage(trx: Executor, id: string): Promise<RenderedImage> {
  const [image] = await run<RenderedImage>(trx, DOCUMENT, [id])
  if (image === undefined) throw operationGone()
  return image
}

const SAME_BYTES = `SELECT FROM blobs b
  WHERE b.id = $1 AND (b.completed_at IS NULL
    OR (coalesce(b.sha256, $2) = $2 AND b.size = $3))`

/** Bytes under an id never change: neither those of a blob nor those of an active image. */
export async function checkImmutable(
  trx: Executor,
  image: LockedImage,
  operation: Pick<RunningOperation, 'blob_id'>,
  facts: Pick<BlobFacts, 'sha256' | 'size'>
): Promise<void> {
  const shown = image.status === 'active' || image.status === 'deactivated' ? [image.blob_id] : []
  for (const blob of [operation.blob_id, ...shown]) {
    if (blob === null) continue
    const [same] = await run(trx, SAME_BYTES, [blob, facts.sha256, facts.size])
    if (same === undefined) {
      throw new TankError('IMAGE_STATE', 'The image has other data, which cannot be replaced.')
    }
  }
}

/** What a blob was once said to be stays; only what was not known is filled in. */
const COMPLETE_BLOB = `UPDATE blobs SET size = $2, sha256 = $3, md5 = coalesce(md5, $4),
    os_hash_algo = CASE WHEN os_hash_value IS NULL THEN $5 ELSE os_hash_algo END,
    os_hash_value = coalesce(os_hash_value, $6), virtual_size = coalesce(virtual_size, $7),
    format = coalesce(format, $8), completed_at = coalesce(completed_at, now())
  WHERE id = $1 AND (completed_at IS NULL OR sha256 IS NULL) RETURNING id`

/** Notes what the bytes of a blob turned out to be; false when that was known. */
export async function completeBlob(
  trx: Executor,
  blobId: string | null,
  facts: BlobFacts
): Promise<boolean> {
  const { size, sha256, md5, os_hash_algo, os_hash_value, virtual_size, format } = facts
  const values = [blobId, size, sha256, md5, os_hash_algo, os_hash_value, virtual_size, format]
  return (await run(trx, COMPLETE_BLOB, values)).length > 0
}

const STORE_PLACEMENT = `UPDATE placements SET state = 'stored', project = $2,
    expires_at = CASE WHEN role = 'staged' THEN now() + make_interval(secs => $4::float8) END,
    bytes = CASE WHEN role = 'external' OR $2::text IS NULL THEN 0 ELSE $3::bigint END
  WHERE id = $1 AND (state = 'writing' OR (state = 'stored' AND role = 'external'))
  RETURNING role, bytes`

/** Copies what is known of a blob to the image that has it. Data that nobody looked at is raw. */
export const SHOW_DATA = `UPDATE images i SET status = coalesce($2, i.status), blob_id = b.id,
    disk_format = CASE i.disk_format WHEN 'auto' THEN 'raw' ELSE i.disk_format END,
    size = b.size, virtual_size = b.virtual_size, checksum = b.md5,
    os_hash_algo = b.os_hash_algo, os_hash_value = b.os_hash_value,
    stores = ${storesOfBlob('b.id')}, version = i.version + 1, updated_at = now()
  FROM blobs b WHERE i.id = $1 AND b.id = $3`

/** Of staged data only the size is shown, until an import has made it the image's. */
const SHOW_STAGED = `UPDATE images i SET status = coalesce($2, i.status), blob_id = b.id,
    size = b.size, version = i.version + 1, updated_at = now()
  FROM blobs b WHERE i.id = $1 AND b.id = $3`

const SUCCEED = `UPDATE operations SET state = 'success', lease_until = NULL, reserved = 0,
    progress = greatest(progress, $2), ended_at = now(), updated_at = now()
  WHERE id = $1`

/** Bytes of one project do not become the image of another one, nor do they count for it (S-53). */
function checkOwner(image: LockedImage, { kind, project }: RunningOperation): void {
  if (kind === 'location' || image.owner === project) return
  throw new TankError(
    'IMAGE_STATE',
    'The image was given to another project while its data came in. Send the data again.'
  )
}

async function succeed(
  trx: Executor,
  caller: RegistryCaller,
  { image, operation }: { image: LockedImage; operation: RunningOperation },
  { status, blob, keep_seconds, found }: FinishOperation,
  quotas: Quotas
): Promise<void> {
  checkOwner(image, operation)
  await checkImmutable(trx, image, operation, blob)
  const { size, sha256 } = blob
  await completeBlob(trx, operation.blob_id, blob)
  await run(trx, SUCCEED, [operation.id, size])
  const [placement] = await run<{ role: string; bytes: number }>(trx, STORE_PLACEMENT, [
    operation.placement_id,
    operation.project,
    size,
    keep_seconds ?? null
  ])
  if (placement === undefined) throw operationGone()
  if (found !== undefined) await takeFound(trx, image.id, operation.blob_id, found)
  const shown = operation.to_status === null ? null : status
  const text = placement.role === 'staged' ? SHOW_STAGED : SHOW_DATA
  await run(trx, text, [image.id, shown, operation.blob_id])
  if (image.blob_id !== null && image.blob_id !== operation.blob_id) {
    await releaseBlob(trx, image.blob_id)
  }
  if (operation.background) await markImage(trx, operation, 'over', operation.targets)
  await charge(trx, operation.project, {
    uploads: -1,
    reserved: -operation.reserved,
    stored: placement.bytes
  })
  await noteChange(trx, image.id, 'operation.finish', caller, {
    operation: operation.id,
    kind: operation.kind,
    size,
    sha256,
    ...(shown === null ? {} : { status: shown })
  })
  if (operation.project !== null) {
    const { bytes } = placement
    const staged = operation.kind === 'stage' ? bytes : undefined
    await checkQuotas(trx, operation.project, { bytes, staged }, quotas)
  }
}

/** Ends an operation with success: blob, placement, image, usage and change in one transaction. */
export function finishOperation(
  database: Database,
  caller: RegistryCaller,
  id: string,
  finish: FinishOperation,
  quotas: Quotas
): Promise<RenderedImage> {
  return database.transaction(async (trx) => {
    const locked = await lockOperation(trx, id)
    if (locked === null || locked.operation.attempt !== finish.attempt) throw operationGone()
    const { image, operation } = locked
    if (image.deleted) {
      throw new TankError('IMAGE_GONE', 'The image was deleted while the operation ran.')
    }
    if (operation.state === 'success') return renderImage(trx, image.id)
    if (operation.state !== 'running') throw operationGone()
    await succeed(trx, caller, locked, finish, quotas)
    return renderImage(trx, image.id)
  })
}
