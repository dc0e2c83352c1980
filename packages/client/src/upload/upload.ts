import { answerToError, isNotNow } from '../errors.ts'
import type { ImageHttp } from '../image-http.ts'
import { sendBody, type TransferProgress, type TransferTimes } from './send-body.ts'
import { createSentProof, type SentProof } from './sent-proof.ts'
import { type TakenSource, takeSource, type UploadSource } from './source.ts'

/** How bytes are sent. */
export interface UploadOptions {
  /** Bytes of a stream, when they are known: the server then refuses what is cut off or too long. */
  readonly size?: number | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Store that is to keep the bytes, on servers with several. */
  readonly store?: string | undefined
  /**
   * Compares what the server has stored with what was sent: the call fails with `DIGEST_MISMATCH`
   * when a byte changed on the way. Costs a request, and time to compute three digests.
   */
  readonly verify?: boolean | undefined
}

/** How bytes are sent to where an import takes them from. */
export type StageOptions = Omit<UploadOptions, 'store' | 'verify'>

/** Sends the bytes to `path` in one PUT; repeats only what the server certainly did not do. */
export async function upload(
  http: ImageHttp,
  path: string,
  source: UploadSource,
  times: TransferTimes,
  options: UploadOptions
): Promise<SentProof> {
  const taken = takeSource(source)
  try {
    return await uploadFrom(http, path, taken, times, options)
  } finally {
    taken.release()
  }
}

async function uploadFrom(
  http: ImageHttp,
  path: string,
  source: TakenSource,
  times: TransferTimes,
  { size, onProgress, signal, store, verify = false }: UploadOptions
): Promise<SentProof> {
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const headers = await http.headers(signal)
    if (store !== undefined) headers['x-image-meta-store'] = store
    const proof = createSentProof(verify)
    const request = {
      method: 'PUT',
      path,
      headers,
      onProgress,
      onChunk: proof.update,
      signal
    } as const
    const sending = await sendBody(http.transport, request, await source.open(size), times)
    const status = sending.answer?.status ?? 0
    if (status >= 200 && status < 300) return proof
    const error = sending.error ?? answerToError(sending.answer)
    const unsent = sending.error === undefined ? isNotNow(status) : sending.unsent
    const renewable = attempt === 0 && status === 401 && http.refuse(headers)
    const again = renewable || (unsent && attempt < http.options.retries)
    if (!source.isReplayable || !again) throw error
    if (!renewable) await http.pause(attempt, error, signal)
  }
}
