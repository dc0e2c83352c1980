import {
  type EnqueueOperation,
  type OperationTarget,
  type RegistryCaller,
  TankError
} from '@tank/model'
import { noteChange } from '../changes.ts'
import type { Settings } from '../config.ts'
import { type Database, type Executor, run } from '../db/database.ts'
import { type LockedImage, lockVisibleImage } from '../images/lock.ts'
import { changeLocked } from '../images/update.ts'
import { charge, checkQuotas } from '../usage.ts'
import { demandStatus, imageBusy, insertBlob, insertPlacement } from './begin.ts'
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
  if (!busy.background || busy.idle_ms < most) throw imageBusy()
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

/** What an operation begins with. */
interface Plan {
  readonly targets: readonly OperationTarget[]
  /** Bytes that it will take in all its targets together; null: nobody knows. */
  readonly reserve: number | null
}

async function planCopy(
  trx: Executor,
  image: LockedImage,
  stores: readonly string[]
): Promise<Plan> {
  const [source] = await run<{ size: number; held: string[] }>(trx, SOURCE, [image.blob_id, stores])
  if (source === undefined) throw new TankError('IMAGE_STATE', 'The image has no data to copy.')
  const [held] = source.held
  if (held !== undefined) {
    throw new TankError('INVALID_REQUEST', `The image is in store '${held}' already.`)
  }
  return { targets: waitFor(stores), reserve: source.size * stores.length }
}

/** Where staged data lies already nothing has to be written. */
async function planImport(
  trx: Executor,
  image: LockedImage,
  stores: readonly string[]
): Promise<Plan> {
  const [source] = await run<{ size: number; held: string[] }>(trx, SOURCE, [image.blob_id, stores])
  if (source === undefined) throw new TankError('IMAGE_STATE', 'Nothing was staged for the image.')
  const held = new Set(source.held)
  const targets = waitFor(stores).map(
    (target): OperationTarget => (held.has(target.store) ? { ...target, state: 'stored' } : target)
  )
  const waiting = targets.filter(({ state }) => state === 'waiting').length
  return { targets, reserve: source.size * waiting }
}

function waitFor(stores: readonly string[]): OperationTarget[] {
  return stores.map((store) => ({ store, state: 'waiting' }))
}

async function planOf(
  trx: Executor,
  image: LockedImage,
  { kind, stores, outside, failure }: EnqueueOperation
): Promise<Plan> {
  if (failure !== undefined) return { targets: waitFor(stores), reserve: 0 }
  if (kind === 'copy') return planCopy(trx, image, stores)
  if (kind === 'location') return { targets: [], reserve: 0 }
  if (outside === undefined) return planImport(trx, image, stores)
  return { targets: waitFor(stores), reserve: null }
}

const INSERT = `INSERT INTO operations (id, image_id, kind, exclusive, state, attempt, to_status,
    fallback, blob_id, placement_id, reserved, reserve_known, project, caller_project, caller_user,
    request_id, background, stores, targets, must_succeed, input)
  VALUES ($1, $2, $3, true, 'pending', '', $4, $5, $6, $7, coalesce($8::bigint, 0), $8::bigint IS NOT NULL, $9,
    $10, $11, $12, true, $13, $14, $15, $16)`

async function insertOperation(
  trx: Executor,
  caller: RegistryCaller,
  image: LockedImage,
  operation: EnqueueOperation,
  { targets, reserve }: Plan
): Promise<void> {
  const { location, outside, stores } = operation
  await run(trx, INSERT, [
    operation.id,
    image.id,
    operation.kind,
    operation.to,
    operation.fallback,
    location?.blob_id ?? outside?.blob_id ?? image.blob_id,
    location?.placement.id ?? null,
    reserve,
    image.owner,
    caller.project,
    caller.user,
    caller.requestId,
    outside === undefined ? stores : [...new Set([...stores, outside.store])],
    JSON.stringify(targets),
    operation.must_succeed,
    JSON.stringify(operation.input)
  ])
}

function fits(operation: EnqueueOperation): boolean {
  const { kind, from, to, fallback, location, stores, outside, change, failure } = operation
  const isOnce = new Set(stores).size === stores.length
  if (failure !== undefined && (outside !== undefined || change !== undefined)) return false
  if (kind === 'import') {
    const isStaged = outside === undefined && failure === undefined
    const before = isStaged ? 'uploading' : 'queued'
    // data from outside may also come as v1 says it: by the statuses of an upload
    const isUpload = outside !== undefined && to === 'saving' && fallback === 'killed'
    const isImport = to === 'importing' && fallback === 'queued'
    const isFrom = from.every((status) => status === before)
    return isOnce && location === null && isFrom && (isImport || isUpload)
  }
  if (fallback === 'killed' || to === 'saving') return false
  if (outside !== undefined || change !== undefined || failure !== undefined) return false
  if (kind === 'copy') return isOnce && location === null
  const placement = location?.placement
  return placement?.role === 'external' && stores.length === 1 && stores[0] === placement.store
}

function checkForm(operation: EnqueueOperation): void {
  if (fits(operation)) return
  throw new TankError('INVALID_REQUEST', 'The parts do not fit the kind of operation.')
}

const ASKED = `SELECT ${OPERATION_COLUMNS} FROM operations WHERE id = $1 FOR UPDATE`

/** Ends what was just written down, before any worker can see it. */
async function failAtOnce(
  trx: Executor,
  image: LockedImage,
  id: string,
  failure: { readonly reason: string; readonly actor: RegistryCaller }
): Promise<void> {
  const [asked] = await run<RunningOperation>(trx, ASKED, [id])
  if (asked === undefined) return
  const { reason, actor } = failure
  await failOperation(trx, image, asked, {
    reason,
    change: 'operation.abandon',
    actor,
    keepBytes: false
  })
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
    demandStatus(image, operation.from)
    const { location, outside, change, failure } = operation
    if (change !== undefined) {
      await changeLocked(trx, caller, image.id, Number(change.version), change.fields)
    }
    await makeRoom(trx, image, staleMs)
    const plan = await planOf(trx, image, operation)
    const reserved = plan.reserve ?? 0
    if (outside !== undefined) await insertBlob(trx, outside.blob_id)
    if (location !== null) {
      await insertBlob(trx, location.blob_id)
      await insertPlacement(trx, location.blob_id, location.placement, image.owner)
    }
    await insertOperation(trx, caller, image, operation, plan)
    await markImage(trx, { ...operation, image_id: image.id }, 'waiting', [])
    await charge(trx, image.owner, { uploads: 1, reserved })
    await noteChange(trx, image.id, 'operation.enqueue', caller, {
      operation: operation.id,
      kind: operation.kind,
      stores: operation.stores
    })
    if (image.owner !== null) {
      const staged = outside === undefined ? undefined : 0
      await checkQuotas(trx, image.owner, { uploads: 1, bytes: reserved, staged }, quotas)
    }
    if (failure !== undefined) {
      await failAtOnce(trx, image, operation.id, { reason: failure, actor: caller })
    }
  })
}
