import type { Readable, Writable } from 'node:stream'
import type { WritableStream } from 'node:stream/web'
import type { ImageDocument } from '@tank/model'
import {
  answerToError,
  isNotNow,
  isTankClientError,
  TankClientError,
  transportToError
} from '../errors.ts'
import type { ImageHttp } from '../image-http.ts'
import { type Answer, toTransportError } from '../transport.ts'
import {
  isConnectFailure,
  readSmall,
  type TransferProgress,
  type TransferTimes
} from '../upload/send-body.ts'

/** How bytes are fetched. */
export interface DownloadOptions {
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Take bytes that no digest can prove. Without this such a download fails with `NO_DIGEST`. */
  readonly allowUnverified?: boolean | undefined
  /**
   * Keep what came of a download that fails, and go on from what an earlier one left, also one of
   * a process that was killed. For paths only.
   */
  readonly resume?: boolean | undefined
  /**
   * Parts of the image that are fetched at the same time, 1 unless told, at most 64 and as many as
   * the client has `connections`. For paths only.
   */
  readonly parallel?: number | undefined
  /** Bytes in one part, 16 MiB unless told. */
  readonly partSize?: number | undefined
}

/** Path or file URL, or the stream that takes the bytes and is ended. */
export type DownloadTarget = string | URL | Writable | WritableStream<Uint8Array>

/** Options of a download whose bytes go to a stream. */
export type ReadOptions = Pick<DownloadOptions, 'onProgress' | 'signal' | 'allowUnverified'>

/** What a download brought. */
export interface DownloadResult {
  /** bytes of the image */
  readonly size: number
  /** Digest that the bytes were compared with; undefined only when `allowUnverified` was needed. */
  readonly verifiedWith: string | undefined
  /** Bytes among them that an earlier download had left. */
  readonly resumed: number
}

export interface DownloadJob {
  readonly http: ImageHttp
  readonly path: string
  readonly show: () => Promise<ImageDocument>
  readonly times: TransferTimes
  /** Most sockets that the client opens. */
  readonly connections: number
  readonly options: DownloadOptions
}

/** Bytes from `from` up to, but without, `to`. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Part {
  readonly body: Readable
  /** True when the server sent the image from its beginning, whatever was asked for. */
  readonly isWhole: boolean
  /** Length of the whole image as far as this answer tells. */
  readonly length: number | undefined
}

/** Asks for the image, or for a part of it; `to` may be open. */
export async function requestPart(
  job: DownloadJob,
  wanted: { readonly from: number; readonly to?: number } | undefined,
  signal: AbortSignal
): Promise<Part> {
  const range = wanted === undefined ? undefined : rangeOf(wanted.from, wanted.to)
  const answer = await job.http.authorised(
    (headers) => send(job, range === undefined ? headers : { ...headers, range }, signal),
    signal
  )
  const { status, headers } = answer
  if (status === 200 && 'stream' in answer) {
    return { body: answer.stream, isWhole: true, length: toLength(headers['content-length']) }
  }
  if (status === 206 && 'stream' in answer) {
    const [, from, length] = CONTENT_RANGE.exec(String(headers['content-range'])) ?? []
    if (Number(from) === wanted?.from) {
      return { body: answer.stream, isWhole: false, length: toLength(length) }
    }
    answer.stream.destroy()
    throw new TankClientError('BAD_ANSWER', 'the server sent another part than was asked for')
  }
  if (status === 204) throw new TankClientError('NO_DATA', 'the image has no data yet', { status })
  const failed = { status, headers, body: 'body' in answer ? answer.body : Buffer.alloc(0) }
  throw answerToError(failed)
}

type Received = Answer | (Pick<Answer, 'status' | 'headers'> & { readonly stream: Readable })

async function send(
  job: DownloadJob,
  headers: Record<string, string>,
  signal: AbortSignal
): Promise<Received> {
  const { transport } = job.http
  const dispatcher = await transport.dispatcher()
  const fail = (error: unknown): never => {
    signal.throwIfAborted()
    throw transportToError(toTransportError(transport.url, error, !isConnectFailure(error)))
  }
  const answer = await dispatcher
    .request({
      origin: transport.origin,
      path: transport.prefix + job.path,
      method: 'GET',
      headers,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0
    })
    .catch(fail)
  const facts = { status: answer.statusCode, headers: answer.headers }
  if (facts.status === 200 || facts.status === 206) {
    // Who gives the stream up before its end does not listen any more.
    answer.body.on('error', () => undefined)
    return { ...facts, stream: answer.body }
  }
  return { ...facts, body: await readSmall(answer.body).catch(fail) }
}

const CONTENT_RANGE = /^bytes (\d+)-\d+\/(\d+|\*)$/

function rangeOf(from: number, to: number | undefined): string {
  return `bytes=${from}-${to === undefined ? '' : to - 1}`
}

function toLength(value: unknown): number | undefined {
  const length = Number(value ?? Number.NaN)
  return Number.isSafeInteger(length) ? length : undefined
}

/** Failures that may be over a little later. */
export function isPassing(error: unknown): boolean {
  if (!isTankClientError(error)) return false
  if (error.status !== undefined) return isPassingStatus(error.status)
  return error.code === 'UNREACHABLE' || error.code === 'CONNECTION_CLOSED'
}

/** Answers of a server, or of what stands before it, that may be others a little later. */
export function isPassingStatus(status: number): boolean {
  return isNotNow(status) || status === 502 || status === 504
}
