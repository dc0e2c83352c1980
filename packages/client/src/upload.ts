import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream } from 'node:stream/web'
import { answerToError, TankClientError, transportToError } from './errors.ts'
import { startIdleWatch } from './idle.ts'
import type { ImageHttp } from './image-http.ts'
import { type Answer, toTransportError } from './transport.ts'

/** Bytes to send: a path, bytes in memory, or anything that brings them bit by bit. */
export type UploadSource =
  | string
  | URL
  | Uint8Array
  | Blob
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

export interface TransferProgress {
  /** bytes so far */
  readonly bytes: number
  /** bytes in all, undefined while nobody knows */
  readonly total: number | undefined
}

export interface UploadOptions {
  /** Bytes of a stream, when they are known: the server then refuses what is cut off or too long. */
  readonly size?: number | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Store that is to keep the bytes, on servers with several. */
  readonly store?: string | undefined
}

export interface TransferTimes {
  /** Longest time without a byte. */
  readonly idleTimeoutMs: number
  /** Longest time from the last byte of an upload to the answer. */
  readonly answerTimeoutMs: number
}

const BLOCK = 1024 * 1024
const LARGEST_ANSWER = 1024 * 1024

interface OpenSource {
  readonly stream: Readable
  readonly size: number | undefined
}

/** Sends the bytes to `path` in one PUT; repeats only what the server certainly did not do. */
export async function upload(
  http: ImageHttp,
  path: string,
  source: UploadSource,
  times: TransferTimes,
  options: UploadOptions
): Promise<void> {
  const replayable = isReplayable(source)
  for (let attempt = 0; ; attempt++) {
    options.signal?.throwIfAborted()
    const headers = await http.headers(options.signal)
    const outcome = await put(http, path, headers, await open(source, options), times, options)
    if (outcome === undefined) return
    const renewable = attempt === 0 && outcome.error.status === 401 && http.refuse(headers)
    const again = renewable || (outcome.unsent && attempt < http.options.retries)
    if (!replayable || !again) throw outcome.error
    if (!renewable) await http.pause(attempt, outcome.error, options.signal)
  }
}

function isReplayable(source: UploadSource): boolean {
  if (typeof source === 'string') return true
  return source instanceof URL || source instanceof Uint8Array || source instanceof Blob
}

async function open(source: UploadSource, options: UploadOptions): Promise<OpenSource> {
  if (source instanceof Uint8Array) {
    return { stream: Readable.from(blocks(source)), size: source.byteLength }
  }
  if (source instanceof Blob) {
    return { stream: Readable.fromWeb(source.stream()), size: source.size }
  }
  if (typeof source === 'string' || source instanceof URL) {
    try {
      const { size } = await stat(source)
      return { stream: createReadStream(source, { highWaterMark: BLOCK }), size }
    } catch (cause) {
      throw new TankClientError('SOURCE_FAILED', `cannot read ${source}`, { cause })
    }
  }
  return { stream: toReadable(source), size: options.size }
}

function toReadable(
  source: Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>
): Readable {
  if (source instanceof Readable) return source
  if (source instanceof ReadableStream) return Readable.fromWeb(source)
  return Readable.from(source, { objectMode: false })
}

function* blocks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += BLOCK) yield bytes.subarray(at, at + BLOCK)
}

interface Failed {
  readonly error: TankClientError
  readonly unsent: boolean
}

async function put(
  http: ImageHttp,
  path: string,
  headers: Record<string, string>,
  source: OpenSource,
  times: TransferTimes,
  options: UploadOptions
): Promise<Failed | undefined> {
  if (source.stream.destroyed) return sourceFailed(source.stream.errored ?? 'the stream has ended')
  headers['content-type'] = 'application/octet-stream'
  if (source.size !== undefined) headers['content-length'] = String(source.size)
  if (options.store !== undefined) headers['x-image-meta-store'] = options.store
  const watch = startIdleWatch(times.idleTimeoutMs, options.signal)
  let sent = 0
  const meter = new Transform({
    highWaterMark: BLOCK,
    transform(chunk: Uint8Array, _encoding, done) {
      sent += chunk.byteLength
      watch.touch()
      options.onProgress?.({ bytes: sent, total: source.size })
      done(null, chunk)
    },
    flush(done) {
      watch.expect(times.answerTimeoutMs)
      done()
    }
  })
  let sourceError: unknown
  source.stream.once('error', (error) => {
    // The meter, too, ends this stream when the request fails: that is no fault of the source.
    if (!meter.destroyed) sourceError = error
  })
  const feeding = pipeline(source.stream, meter).catch(() => undefined)
  try {
    const answer = await exchange(http, path, headers, meter, watch.signal)
    if (answer.status >= 200 && answer.status < 300) return undefined
    const error = answerToError(answer)
    return { error, unsent: answer.status === 503 }
  } catch (error) {
    if (sourceError !== undefined) return sourceFailed(sourceError)
    if (watch.signal.aborted) throw watch.signal.reason
    return uploadFailed(http, error, sent)
  } finally {
    watch.stop()
    meter.destroy()
    source.stream.destroy()
    await feeding
  }
}

async function exchange(
  http: ImageHttp,
  path: string,
  headers: Record<string, string>,
  body: Readable,
  signal: AbortSignal
): Promise<Answer> {
  const { transport } = http
  const answer = await transport.dispatcher.request({
    origin: transport.origin,
    path: transport.prefix + path,
    method: 'PUT',
    headers,
    body,
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

function sourceFailed(cause: unknown): Failed {
  const text = cause instanceof Error ? cause.message : String(cause)
  const message = `the bytes to upload could not be read: ${text}`
  return { error: new TankClientError('SOURCE_FAILED', message, { cause }), unsent: false }
}

function uploadFailed(http: ImageHttp, cause: unknown, sent: number): Failed {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    const message = 'the source has not as many bytes as announced'
    return { error: new TankClientError('SIZE_MISMATCH', message, { cause }), unsent: false }
  }
  const reached = !isConnectFailure(code)
  const error = transportToError(
    toTransportError(http.transport.url, cause, reached || sent > BLOCK)
  )
  return { error, unsent: !reached }
}

const CONNECT_FAILURES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT'
])
const TLS_FAILURE = /CERT|^ERR_TLS|^ERR_SSL|^EPROTO$/

/** Failures that come before the first byte of a request. */
export function isConnectFailure(code: unknown): boolean {
  return CONNECT_FAILURES.has(code) || (typeof code === 'string' && TLS_FAILURE.test(code))
}
