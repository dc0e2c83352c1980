import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { isTankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { registryCaller } from '../../identity/caller.ts'
import { UPLOAD_V1 } from '../../ingest/ingest.ts'
import type { DataSignature } from '../../ingest/signatures.ts'
import { takeBody } from '../v2/upload.ts'
import type { Formats } from './formats.ts'
import type { Target } from './target.ts'

/** The image that data is for, and what the data has to be. */
export interface Wanted {
  readonly id: string
  readonly formats: Formats
  /** bytes */
  readonly size: number | undefined
  readonly checksum: string | null
  readonly signature: DataSignature | undefined
}

const ENDED = ['IMAGE_STATE', 'QUOTA_EXCEEDED', 'IMAGE_BUSY'] as const

/** Makes an image killed that is queued. That this fails is logged only. */
export async function kill(
  { registry, ingest, collector }: ApiContext,
  request: FastifyRequest,
  { id, storeName }: { readonly id: string; readonly storeName: string },
  reason: string
): Promise<void> {
  const caller = registryCaller(request)
  const operation = { id: randomUUID(), attempt: randomUUID() }
  const { kind, from, to, fallback, role } = UPLOAD_V1
  try {
    await registry.begin(caller, {
      ...operation,
      kind,
      image_id: id,
      from,
      to,
      fallback,
      worker: ingest.worker,
      blob_id: randomUUID(),
      placement: { id: randomUUID(), store: storeName, key: randomUUID(), role, weight: 0 },
      reserve: 0
    })
    await registry.abandon(caller, operation.id, { attempt: operation.attempt, reason })
    collector.nudge()
  } catch (err) {
    // it is killed already, or by this refusal, or somebody else has it
    if (ENDED.some((code) => isTankError(err, code))) return
    request.log.warn({ err, imageId: id }, 'the image of a failed upload could not be killed')
  }
}

/**
 * Takes data in: the image is active then, or killed when anything goes wrong (v1 1.10). `body`:
 * that of the request unless another one is given.
 */
export async function takeData(
  context: ApiContext,
  request: FastifyRequest,
  target: Target,
  { id, formats, size, checksum, signature }: Wanted,
  body?: Readable
): Promise<void> {
  const taken = {
    ...target,
    imageId: id,
    kind: UPLOAD_V1,
    announced: size,
    declared: formats,
    md5: checksum ?? undefined,
    signature
  }
  await takeBody(context, request, taken, body)
}
