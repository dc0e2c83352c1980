import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { TankClientError, transportToError } from '../errors.ts'
import { startIdleWatch } from '../idle.ts'
import { type Answer, isHandshakeFailure, type Transport, toTransportError } from '../transport.ts'
import { type OpenSource, sourceFailed, toPieces } from './source.ts'

/** How far a transfer is. */
export interface TransferProgress {
  /** bytes so far */
  readonly bytes: number
  /** bytes in all, undefined while nobody knows */
  readonly total: number | undefined
  /** bytes among them that an earlier download had left, where there are any */
  readonly resumed?: number
}

export interface TransferTimes {
  /** Longest time without a byte. */
  readonly idleTimeoutMs: number
  /** Longest time from the last byte of an upload to the answer. */
  readonly answerTimeoutMs: number
}

export interface BodyRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query below the service's URL. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  /** Sees all bytes on their way. */
  readonly onChunk?: ((chunk: Uint8Array) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** `unsent`: the server certainly never saw the request. */
export type Sending =
  | { readonly answer: Answer; readonly error?: undefined }
  | { readonly answer?: undefined; readonly error: TankClientError; readonly unsent: boolean }

const LARGEST_ANSWER = 1024 * 1024

/**
 * Sends the bytes of a source once, with their length or else in chunks, and returns the answer
 * whatever its status. Rejects with `SOURCE_FAILED`, with what a callback throws, with the signal's
 * reason, and with `TIMEOUT` when nothing moves.
 */
export async function sendBody(
  transport: Transport,
  request: BodyRequest,
  { stream, size }: OpenSource,
  times: TransferTimes
): Promise<Sending> {
  if (stream.destroyed) throw sourceFailed(stream.errored ?? 'the stream has ended')
  const headers: Record<string, string> = {
    ...request.headers,
    'content-type': 'application/octet-stream'
  }
  if (size !== undefined) headers['content-length'] = String(size)
  // it is read when there is a socket, and may fail before
  stream.on('error', () => undefined)
  const watch = startIdleWatch(times.idleTimeoutMs, request.signal)
  let isReached = false
  let failed: { readonly reason: unknown } | undefined
  const metered = async function* () {
    isReached = true
    // the wait for a socket is over
    watch.touch()
    let sent = 0
    try {
      for await (const piece of toPieces(stream)) {
        sent += piece.byteLength
        watch.touch()
        request.onChunk?.(piece)
        request.onProgress?.({ bytes: sent, total: size })
        yield piece
      }
    } catch (reason) {
      failed = { reason }
      throw reason
    }
    watch.expect(times.answerTimeoutMs)
  }
  try {
    return { answer: await exchange(transport, request, headers, metered(), watch.signal) }
  } catch (error) {
    if (failed !== undefined) throw failed.reason
    if (watch.signal.aborted) throw watch.signal.reason
    return sendingFailed(transport, error, isReached)
  } finally {
    watch.stop()
    stream.destroy()
  }
}

async function exchange(
  transport: Transport,
  { method, path }: BodyRequest,
  headers: Record<string, string>,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<Answer> {
  const answer = await (await transport.dispatcher()).request({
    origin: transport.origin,
    path: transport.prefix + path,
    method,
    headers,
    // undici takes what can be iterated over; its types do not say so
    body: body as Readable,
    signal,
    headersTimeout: 0,
    bodyTimeout: 0
  })
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: await readSmall(answer.body)
  }
}

/** Collects an answer of which only the beginning matters. */
export async function readSmall(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > LARGEST_ANSWER) break
  }
  return Buffer.concat(chunks)
}

function sendingFailed(transport: Transport, cause: unknown, isReached: boolean): Sending {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    const message = 'the source has not as many bytes as announced'
    return { error: new TankClientError('SIZE_MISMATCH', message, { cause }), unsent: false }
  }
  const reached = isReached || !isConnectFailure(cause)
  const error = transportToError(toTransportError(transport.url, cause, reached))
  return { error, unsent: !reached && error.code !== 'CERTIFICATE_REFUSED' }
}

const CONNECT_FAILURES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH'
])
const CONNECT_CALLS: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo'])

/** Failures that come before the first byte of a request; the same codes may come later, too. */
export function isConnectFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, syscall } = error as NodeJS.ErrnoException
  // a name with several addresses, none of which could be reached
  if (error instanceof AggregateError) {
    return error.errors.length > 0 && error.errors.every(isConnectFailure)
  }
  if (CONNECT_FAILURES.has(code) && CONNECT_CALLS.has(syscall)) return true
  return code === 'UND_ERR_CONNECT_TIMEOUT' || (code !== undefined && isHandshakeFailure(code))
}
