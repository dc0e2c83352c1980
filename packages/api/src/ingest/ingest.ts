import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RawDocument, RegistryClient } from '@tank/client'
import {
  type BlobFacts,
  type FoundData,
  type ImageStatus,
  isTankError,
  type OperationKind,
  type PlacementRole,
  type RegistryCaller,
  TankError
} from '@tank/model'
import type { WritableStore } from '@tank/store'
import type { FastifyBaseLogger } from 'fastify'
import type { Declared } from '../inspection/acceptance.ts'
import { rangesOf } from '../inspection/read-range.ts'
import type { InspectionRules } from '../inspection/rules.ts'
import { type Watch, watchImage } from '../inspection/watch.ts'
import { fromStoreError } from '../store-errors.ts'
import type { DigestPool, DigestRun, Digests } from './digests.ts'
import { expectMd5 } from './expected-md5.ts'
import { Intake } from './intake.ts'
import { keepLease, type LeaseKeeper } from './lease-keeper.ts'
import type { RunningUploads } from './running-uploads.ts'
import { type DataSignature, signedDigests } from './signatures.ts'

/** What every intake of bytes in this process shares. */
export interface IngestContext {
  readonly registry: RegistryClient
  readonly digests: DigestPool
  readonly running: RunningUploads
  /** Who this process is, as the registry notes it. */
  readonly worker: string
  readonly cap: number
  readonly osHashAlgo: string
  readonly md5: boolean
  /** What images are held against. */
  readonly inspection: InspectionRules
  /** Longest time that a store may keep silent. */
  readonly storeMs: number
  /** Called when bytes were left to the collector. */
  readonly garbageLeft: () => void
}

/** How the image's record moves while its bytes come in. */
export interface IngestKind {
  readonly kind: OperationKind
  readonly role: PlacementRole
  readonly from: readonly ImageStatus[]
  readonly to: ImageStatus
  readonly fallback: ImageStatus
  readonly done: ImageStatus
}

export const UPLOAD: IngestKind = {
  kind: 'upload',
  role: 'data',
  from: ['queued'],
  to: 'saving',
  fallback: 'queued',
  done: 'active'
}

/** In v1 an upload that failed is the end of its image (v1 1.10). */
export const UPLOAD_V1: IngestKind = { ...UPLOAD, fallback: 'killed' }

/** Data that waits for its import; the image shows its size and nothing else (T6). */
export const STAGE: IngestKind = {
  kind: 'stage',
  role: 'staged',
  from: ['queued'],
  to: 'uploading',
  fallback: 'queued',
  done: 'uploading'
}

export interface IngestRequest {
  readonly caller: RegistryCaller
  readonly imageId: string
  readonly kind: IngestKind
  readonly storeName: string
  readonly store: WritableStore
  /** Of the store: heavier ones come first in `stores` of the image. */
  readonly weight?: number | undefined
  readonly body: Readable
  /** Bytes that the sender announced. */
  readonly announced: number | undefined
  /**
   * What the image is said to be: its data is judged by that (F1–F16). Undefined: nobody looks at it
   * now, as at staged data, which its import judges.
   */
  readonly declared: Declared | undefined
  /** MD5 that the data has to have. */
  readonly md5?: string | undefined
  /** What the data has to fit. */
  readonly signature?: DataSignature | undefined
  readonly log: FastifyBaseLogger
  /** Ends the intake with the signal's reason. */
  readonly signal: AbortSignal
  /** Only of staged data: how long it waits for its import. */
  readonly keepSeconds?: number | undefined
  /** Called once the operation stands and the body is about to be read. */
  readonly onBegin?: () => void
}

/** What came in. */
interface Taken {
  readonly blob: BlobFacts
  readonly found: FoundData | undefined
}

const FINISH_RETRY_MS = 250
const ABANDON_TRIES = 5

function algorithms(context: IngestContext, needsMd5: boolean): string[] {
  const md5 = context.md5 || needsMd5 ? ['md5'] : []
  return [...new Set(['sha256', ...md5, context.osHashAlgo])]
}

function blobFacts(context: IngestContext, size: number, digests: Digests): BlobFacts {
  const { sha256 } = digests
  if (sha256 === undefined) throw new TankError('INTERNAL', 'a digest is missing')
  return {
    size,
    sha256,
    md5: context.md5 ? (digests.md5 ?? null) : null,
    os_hash_algo: context.osHashAlgo,
    os_hash_value: digests[context.osHashAlgo] ?? null,
    virtual_size: null,
    format: null
  }
}

/** Ends an operation without a result. The lease does the same later when the registry is away now. */
async function abandon(
  context: IngestContext,
  request: IngestRequest,
  operation: { readonly id: string; readonly attempt: string },
  { reason, kept }: { readonly reason: string; readonly kept: boolean }
): Promise<void> {
  for (let tries = 1; tries <= ABANDON_TRIES; tries++) {
    try {
      await context.registry.abandon(request.caller, operation.id, {
        attempt: operation.attempt,
        reason,
        ...(kept ? { kept } : {})
      })
      return
    } catch (err) {
      request.log.warn({ err, operationId: operation.id, tries }, 'abandon failed')
      if (!isTankError(err, 'REGISTRY_UNAVAILABLE')) return
      await sleep(FINISH_RETRY_MS * tries)
    }
  }
}

/** Reports the result until the registry has heard it or the lease is over. */
async function finish(
  context: IngestContext,
  request: IngestRequest,
  operation: { readonly id: string; readonly attempt: string },
  { blob, found }: Taken,
  lease: LeaseKeeper
): Promise<RawDocument> {
  const { keepSeconds } = request
  for (;;) {
    try {
      return await context.registry.finish(request.caller, operation.id, {
        attempt: operation.attempt,
        status: request.kind.done,
        blob,
        ...(found === undefined ? {} : { found }),
        ...(keepSeconds === undefined ? {} : { keep_seconds: keepSeconds })
      })
    } catch (error) {
      const late = performance.now() + FINISH_RETRY_MS >= lease.heldUntil
      if (!isTankError(error, 'REGISTRY_UNAVAILABLE') || late) throw error
      request.log.warn({ err: error, operationId: operation.id }, 'finish failed, trying again')
      await sleep(FINISH_RETRY_MS)
    }
  }
}

/** What looks at the bytes as they pass, and whether the store has all of them. */
interface Passers {
  readonly run: DigestRun
  readonly watch: Watch | undefined
  readonly storeMs: number
  isStored: boolean
}

/** Removes what a store took before it was refused. False: it may still lie there. */
async function takeBack(request: IngestRequest, key: string, passers: Passers): Promise<boolean> {
  // a put that fails has removed what it wrote
  if (!passers.isStored) return true
  try {
    await request.store.delete(key)
    return true
  } catch (err) {
    request.log.warn({ err }, 'what was refused could not be deleted yet')
    return false
  }
}

async function store(
  request: IngestRequest,
  key: string,
  intake: Intake,
  passers: Passers,
  signal: AbortSignal
): Promise<Pick<Taken, 'found'> & { readonly digests: Digests }> {
  const { run, watch, storeMs } = passers
  const stop = (): void => {
    intake.destroy(signal.reason)
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const stored = await request.store.put(key, intake, { size: request.announced, signal })
    passers.isStored = true
    if (stored.size !== intake.received)
      throw new TankError('INTERNAL', 'the store holds another number of bytes than was sent')
    const digests = await run.end()
    const read = rangesOf(request.store, key, { signal, deadlineMs: storeMs })
    return { digests, found: await watch?.end(read) }
  } catch (error) {
    run.drop()
    if (!intake.destroyed) intake.destroy()
    throw signal.aborted ? signal.reason : (intake.failure ?? fromStoreError(error))
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * Takes the bytes of an image in: writes the intent down, passes the body once through counting,
 * hashing and the store, and makes the result known in one step. Whatever goes wrong, the image falls
 * back and no byte stays.
 *
 * Throws IMAGE_STATE or IMAGE_BUSY (someone else is at it), TOO_LARGE, STORE_FULL, QUOTA_EXCEEDED,
 * INVALID_REQUEST (announced size, signature), IMAGE_REFUSED (inspection), IMAGE_GONE (deleted meanwhile), DATA_UNAVAILABLE, or `SenderGone`.
 */
export async function ingest(context: IngestContext, request: IngestRequest): Promise<RawDocument> {
  const { registry } = context
  const { kind, log } = request
  const operation = { id: randomUUID(), attempt: randomUUID() }
  const key = randomUUID()
  const begunAt = performance.now()
  const first = await registry.begin(request.caller, {
    ...operation,
    kind: kind.kind,
    image_id: request.imageId,
    from: kind.from,
    to: kind.to,
    fallback: kind.fallback,
    worker: context.worker,
    blob_id: randomUUID(),
    placement: {
      id: randomUUID(),
      store: request.storeName,
      key,
      role: kind.role,
      weight: request.weight ?? 0
    },
    reserve: request.announced ?? null
  })
  request.onBegin?.()
  const running = context.running.begin(request.imageId)
  const { md5, signature } = request
  const opened = context.digests.open(algorithms(context, md5 !== undefined))
  const run = signedDigests(expectMd5(opened, md5), signature)
  const { declared, announced } = request
  const { cap, inspection, storeMs } = context
  const watch = declared === undefined ? undefined : watchImage(declared, inspection, log)
  const intake = new Intake(request.body, { announced, cap, digests: run, watch })
  const lease = keepLease({
    registry,
    caller: request.caller,
    operationId: operation.id,
    attempt: operation.attempt,
    begunAt,
    lease: first,
    progress: () => intake.received,
    log
  })
  try {
    const signal = AbortSignal.any([lease.signal, running.signal, request.signal])
    let taken: Taken
    const passers: Passers = { run, watch, storeMs, isStored: false }
    try {
      const { digests, found } = await store(request, key, intake, passers, signal)
      taken = { blob: blobFacts(context, intake.received, digests), found }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log.warn({ err: error, imageId: request.imageId, bytes: intake.received }, 'upload failed')
      const kept = !(await takeBack(request, key, passers))
      await abandon(context, request, operation, { reason, kept })
      context.garbageLeft()
      throw error
    }
    try {
      return await finish(context, request, operation, taken, lease)
    } catch (error) {
      // An answer that never came may have been a yes: only a clear no is taken back.
      if (!isTankError(error, 'REGISTRY_UNAVAILABLE')) {
        await abandon(context, request, operation, { reason: String(error), kept: true })
        context.garbageLeft()
      }
      throw error
    }
  } catch (error) {
    if (isTankError(error, 'OPERATION_GONE') || isTankError(error, 'IMAGE_GONE')) {
      // The registry has given these bytes to the collector, so nobody can have come to need them.
      await request.store.delete(key).catch((err) => log.warn({ err }, 'cleaning up failed'))
      throw new TankError('IMAGE_GONE', 'The image was deleted while it was uploaded', {
        cause: error
      })
    }
    throw error
  } finally {
    lease.stop()
    running.end()
  }
}
