import { type EnqueueOperation, type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Settings } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { type LockedImage, lockVisibleImage } from '../images/lock.ts'
import { charge, checkQuotas } from '../usage.ts'
import { insertBlob, insertPlacement } from './begin.ts'
import { failOperation, OPERATION_COLUMNS, type RunningOperation } from './end.ts'
import { markImage } from './marks.ts'

const KNOWN = 'SELECT image_id FROM operations WHERE id = $1'

/** The same request again, after an answer that was lost, is no second one. */
async function isRepeated(trx: Executor, image: LockedImage, id: string): Promise<boolean> {
  const [known] = await run<{ image_id: string }>(trx, KNOWN, [id])
  if (known === undefined) return false
  if (known.image_id !== image.id) {
    throw new TankError('INVALID_REQUEST', 'The id of the operation is taken.')
  }
  return true
}

interface Busy extends RunningOperation {
  readonly idle_ms: number
}

const BUSY = `SELECT ${OPERATION_COLUMNS},
    extract(epoch FROM now() - progress_at)::float8 * 1000 AS idle_ms
  FROM operations
  WHERE image_id = $1 AND exclusive AND state IN ('pending', 'running') FOR UPDATE`

/** Work that went nowhere for too long makes room (I8); what merely waits has twice the time. */
async function makeRoom(trx: Executor, image: LockedImage, staleMs: number): Promise<void> {
  const [busy] = await run<Busy>(trx, BUSY, [image.id])
  if (busy === undefined) return
  const most = busy.state === 'pending' ? 2 * staleMs : staleMs
  if (!busy.background || busy.idle_ms < most) {
    throw new TankError('IMAGE_BUSY', 'Another operation runs on the image.')
  }
  await failOperation(trx, image, busy, {
    reason: 'Expired lock preempted',
    change: 'operation.expire',
    actor: null,
    keepBytes: true
  })
}

const SOURCE = `SELECT b.size,
    ARRAY(SELECT p.store FROM placements p
      WHERE p.blob_id = b.id AND p.state = 'stored' AND p.store = ANY($2)) AS held
  FROM blobs b WHERE b.id = $1 AND b.completed_at IS NOT NULL`

/** Bytes that a copy will take in all its targets together. */
async function copyBytes(
  trx: Executor,
  image: LockedImage,
  stores: readonly string[]
): Promise<number> {
  const [source] = await run<{ size: number; held: string[] }>(trx, SOURCE, [image.blob_id, stores])
  if (source === undefined) throw new TankError('IMAGE_STATE', 'The image has no data to copy.')
  const [held] = source.held
  if (held !== undefined) {
    throw new TankError('INVALID_REQUEST', `The image is in store '${held}' already.`)
  }
  return source.size * stores.length
}

const INSERT = `INSERT INTO operations (id, image_id, kind, exclusive, state, attempt, to_status,
    fallback, blob_id, placement_id, reserved, reserve_known, project, caller_project, caller_user,
    request_id, background, stores, targets, must_succeed, input)
  VALUES ($1, $2, $3, true, 'pending', '', $4, $5, $6, $7, $8, true, $9, $10, $11, $12, true, $13,
    $14, $15, $16)`

async function insertOperation(
  trx: Executor,
  caller: RegistryCaller,
  image: LockedImage,
  operation: EnqueueOperation,
  reserved: number
): Promise<void> {
  const { location, stores } = operation
  const targets =
    operation.kind === 'copy' ? stores.map((store) => ({ store, state: 'waiting' })) : []
  await run(trx, INSERT, [
    operation.id,
    image.id,
    operation.kind,
    operation.to,
    operation.fallback,
    location?.blob_id ?? image.blob_id,
    location?.placement.id ?? null,
    reserved,
    image.owner,
    caller.project,
    caller.user,
    caller.requestId,
    stores,
    JSON.stringify(targets),
    operation.must_succeed,
    JSON.stringify(operation.input)
  ])
}

function checkForm({ kind, location, stores }: EnqueueOperation): void {
  const isLocation = kind === 'location'
  const fits = isLocation
    ? location?.placement.role === 'external' && stores.length === 1
    : location === null && new Set(stores).size === stores.length
  if (!fits || (isLocation && stores[0] !== location?.placement.store)) {
    throw new TankError('INVALID_REQUEST', 'The stores do not fit the kind of operation.')
  }
}

/** Writes down work for whichever worker claims it first; the image keeps its status until then. */
export function enqueueOperation(
  database: Database,
  caller: RegistryCaller,
  operation: EnqueueOperation,
  { quotas, staleMs }: Settings
): Promise<void> {
  checkForm(operation)
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, operation.image_id)
    if (await isRepeated(trx, image, operation.id)) return
    if (!operation.from.includes(image.status)) {
      throw new TankError(
        'IMAGE_STATE',
        `The image is ${image.status}; the operation needs it to be ${operation.from.join(' or ')}.`
      )
    }
    await makeRoom(trx, image, staleMs)
    const { location } = operation
    const reserved = location === null ? await copyBytes(trx, image, operation.stores) : 0
    if (location !== null) {
      await insertBlob(trx, location.blob_id)
      await insertPlacement(trx, location.blob_id, location.placement, image.owner)
    }
    await insertOperation(trx, caller, image, operation, reserved)
    await markImage(trx, { ...operation, image_id: image.id }, 'waiting', [])
    await charge(trx, image.owner, { uploads: 1, reserved })
    await noteChange(trx, image.id, 'operation.enqueue', caller, {
      operation: operation.id,
      kind: operation.kind,
      stores: operation.stores
    })
    if (image.owner !== null) {
      await checkQuotas(trx, image.owner, { uploads: 1, bytes: reserved }, quotas)
    }
  })
}
