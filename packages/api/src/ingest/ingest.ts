import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RawDocument, RegistryClient } from '@tank/client'
import {
  type BlobFacts,
  type ImageStatus,
  isTankError,
  type OperationKind,
  type PlacementRole,
  type RegistryCaller,
  TankError
} from '@tank/model'
import type { WritableStore } from '@tank/store'
import type { FastifyBaseLogger } from 'fastify'
import { fromStoreError } from '../store-errors.ts'
import type { DigestPool, DigestRun, Digests } from './digests.ts'
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

const FINISH_RETRY_MS = 250
const ABANDON_TRIES = 5

function algorithms(context: IngestContext): string[] {
  return [...new Set(['sha256', ...(context.md5 ? ['md5'] : []), context.osHashAlgo])]
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
  reason: string
): Promise<void> {
  for (let tries = 1; tries <= ABANDON_TRIES; tries++) {
    try {
      await context.registry.abandon(request.caller, operation.id, {
        attempt: operation.attempt,
        reason
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
  blob: BlobFacts,
  lease: LeaseKeeper
): Promise<RawDocument> {
  const { keepSeconds } = request
  for (;;) {
    try {
      return await context.registry.finish(request.caller, operation.id, {
        attempt: operation.attempt,
        status: request.kind.done,
        blob,
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

async function store(
  request: IngestRequest,
  key: string,
  intake: Intake,
  run: DigestRun,
  signal: AbortSignal
): Promise<Digests> {
  const stop = (): void => {
    intake.destroy(signal.reason)
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const stored = await request.store.put(key, intake, { size: request.announced, signal })
    if (stored.size !== intake.received)
      throw new TankError('INTERNAL', 'the store holds another number of bytes than was sent')
    return await run.end()
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
 * INVALID_REQUEST (announced size, signature), IMAGE_GONE (deleted meanwhile), DATA_UNAVAILABLE, or `SenderGone`.
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
  const run = signedDigests(context.digests.open(algorithms(context)), request.signature)
  const intake = new Intake(request.body, {
    announced: request.announced,
    cap: context.cap,
    digests: run
  })
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
    let digests: Digests
    try {
      digests = await store(request, key, intake, run, signal)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log.warn({ err: error, imageId: request.imageId, bytes: intake.received }, 'upload failed')
      await abandon(context, request, operation, reason)
      context.garbageLeft()
      throw error
    }
    const facts = blobFacts(context, intake.received, digests)
    try {
      return await finish(context, request, operation, facts, lease)
    } catch (error) {
      // An answer that never came may have been a yes: only a clear no is taken back.
      if (!isTankError(error, 'REGISTRY_UNAVAILABLE'))
        await abandon(context, request, operation, String(error))
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
