import { randomBytes } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { ImageDocument } from '@tank/model'
import { createVerifier, type Verifier } from './digest.ts'
import { answerToError, isTankClientError, TankClientError, transportToError } from './errors.ts'
import { type IdleWatch, startIdleWatch } from './idle.ts'
import { type ImageHttp, withRetryAfter } from './image-http.ts'
import { toTransportError } from './transport.ts'
import { isConnectFailure, readSmall, type TransferProgress, type TransferTimes } from './upload.ts'

export interface DownloadOptions {
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Take bytes that no digest can prove. Without this such a download fails with `NO_DIGEST`. */
  readonly allowUnverified?: boolean | undefined
}

export interface DownloadResult {
  /** bytes written */
  readonly size: number
  /** Digest that the bytes were compared with; undefined only when `allowUnverified` was needed. */
  readonly verifiedWith: string | undefined
}

export interface DownloadJob {
  readonly http: ImageHttp
  readonly path: string
  readonly show: () => Promise<ImageDocument>
  readonly times: TransferTimes
  readonly options: DownloadOptions
}

/**
 * Writes the bytes to a file. They go to a new file beside it, which takes its name only after size
 * and digest were found right and the bytes are on disk; after a failure nothing is left.
 */
export async function downloadToFile(job: DownloadJob, file: string): Promise<DownloadResult> {
  await refuseSpecialFiles(file)
  const temporary = `${file}.${randomBytes(6).toString('hex')}.part`
  const target = createWriteStream(temporary, { flags: 'wx', highWaterMark: 1024 * 1024 })
  try {
    const result = await downloadToStream(job, target)
    const handle = await open(temporary, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
    await syncFolder(dirname(file))
    return result
  } catch (error) {
    await closed(target)
    await rm(temporary, { force: true })
    throw error
  }
}

/** A stream that is still being opened would make its file after we removed it. */
function closed(target: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (target.closed) resolve()
    else target.once('close', resolve).destroy()
  })
}

/** A rename would put a plain file in the place of a device, a pipe or a folder. */
async function refuseSpecialFiles(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found !== undefined && !found.isFile()) {
    throw new TankClientError('TARGET_FAILED', `${file} is not a plain file`)
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Not every system lets a folder be opened or synced; the bytes themselves are safe by now.
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

/**
 * Writes the bytes to a stream and ends it once they are proved; a stream that got wrong bytes is
 * destroyed. A connection that breaks is taken up again where it broke.
 */
export async function downloadToStream(job: DownloadJob, to: Writable): Promise<DownloadResult> {
  const sink = openSink(to)
  const watch = startIdleWatch(job.times.idleTimeoutMs, job.options.signal)
  try {
    const verifier = await receive(job, sink, watch)
    verifier.finish()
    await sink.end()
    return { size: verifier.bytes, verifiedWith: verifier.algorithm }
  } catch (error) {
    const failure = sink.error ?? (watch.signal.aborted ? watch.signal.reason : error)
    sink.destroy(failure)
    throw failure
  } finally {
    watch.stop()
  }
}

async function receive(job: DownloadJob, sink: Sink, watch: IdleWatch): Promise<Verifier> {
  let verifier = createVerifier(await job.show(), undefined)
  let failures = 0
  for (;;) {
    const before = verifier.bytes
    try {
      watch.touch()
      const part = await request(job, before, watch.signal)
      try {
        if (before === 0) verifier = await prove(job, verifier, part.length)
        await pump(part, verifier, sink, watch, job.options.onProgress)
      } finally {
        part.body.destroy()
      }
      const { size, bytes } = verifier
      if (size === undefined || bytes >= size) return verifier
      throw new TankClientError('CONNECTION_CLOSED', 'the connection broke in the middle')
    } catch (error) {
      const passing = isPassing(error) || (failures === 0 && isRenewable(job, error))
      if (!passing || watch.signal.aborted || sink.error !== undefined) throw error
      if (verifier.bytes > before) failures = 0
      if (failures >= job.http.options.retries) throw error
      watch.touch()
      await job.http.pause(failures, error, watch.signal)
      failures++
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!isTankClientError(error)) return false
  if (error.status !== undefined) return error.status >= 502 && error.status <= 504
  return error.code === 'UNREACHABLE' || error.code === 'CONNECTION_CLOSED'
}

function isRenewable(job: DownloadJob, error: unknown): boolean {
  return typeof job.http.options.token === 'function' && isTankClientError(error, 'UNAUTHENTICATED')
}

/** Makes sure that what comes can be proved; the image may have got its bytes since it was shown. */
async function prove(
  job: DownloadJob,
  verifier: Verifier,
  length: number | undefined
): Promise<Verifier> {
  if (verifier.algorithm !== undefined && verifier.size !== undefined) return verifier
  const fresh = createVerifier(await job.show(), length)
  if (fresh.algorithm === undefined && job.options.allowUnverified !== true) {
    throw new TankClientError('NO_DIGEST', 'the server names no digest of this image')
  }
  return fresh
}

interface Part {
  readonly body: Readable
  /** Bytes to pass over, because the server sent the image from its beginning. */
  readonly skip: number
  /** Length of the whole image as far as this answer tells. */
  readonly length: number | undefined
}

async function request(job: DownloadJob, from: number, signal: AbortSignal): Promise<Part> {
  const { transport } = job.http
  const headers = await job.http.headers()
  if (from > 0) headers.range = `bytes=${from}-`
  const answer = await transport.dispatcher
    .request({
      origin: transport.origin,
      path: transport.prefix + job.path,
      method: 'GET',
      headers,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0
    })
    .catch((error: unknown) => {
      signal.throwIfAborted()
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      throw transportToError(toTransportError(transport.url, error, !isConnectFailure(code)))
    })
  const { statusCode: status, body } = answer
  if (status === 200) return { body, skip: from, length: lengthOf(answer.headers) }
  if (status === 206 && startsAt(answer.headers['content-range'], from)) {
    return { body, skip: 0, length: undefined }
  }
  const whole = { status, headers: answer.headers, body: await readSmall(body) }
  if (status === 204) throw new TankClientError('NO_DATA', 'the image has no data', { status })
  throw withRetryAfter(answerToError(whole), whole)
}

function lengthOf(headers: Record<string, string | string[] | undefined>): number | undefined {
  const length = Number(headers['content-length'] ?? Number.NaN)
  return Number.isSafeInteger(length) ? length : undefined
}

function startsAt(contentRange: string | string[] | undefined, from: number): boolean {
  return String(contentRange).startsWith(`bytes ${from}-`)
}

/** Moves one answer's bytes on; resolves at its end, rejects when either side fails. */
function pump(
  part: Part,
  verifier: Verifier,
  sink: Sink,
  watch: IdleWatch,
  onProgress: DownloadOptions['onProgress']
): Promise<void> {
  return new Promise((resolve, reject) => {
    let { skip } = part
    const broken = (cause?: unknown) =>
      reject(new TankClientError('CONNECTION_CLOSED', 'the connection broke', { cause }))
    if (part.body.destroyed) {
      broken(part.body.errored)
      return
    }
    part.body.on('data', (received: Buffer) => {
      watch.touch()
      const chunk = skip === 0 ? received : received.subarray(skip)
      skip -= Math.min(skip, received.length)
      if (chunk.length === 0) return
      try {
        verifier.update(chunk)
        if (verifier.size !== undefined && verifier.bytes > verifier.size) verifier.finish()
        onProgress?.({ bytes: verifier.bytes, total: verifier.size })
        if (!sink.write(chunk)) {
          part.body.pause()
          sink.drained(() => {
            watch.touch()
            part.body.resume()
          })
        }
      } catch (error) {
        reject(error)
      }
    })
    part.body.once('end', resolve)
    part.body.once('error', broken)
    part.body.once('close', broken)
    sink.failed(reject)
  })
}

/** The stream that takes the bytes, with its failure kept. */
interface Sink {
  readonly error: TankClientError | undefined
  write(chunk: Buffer): boolean
  drained(then: () => void): void
  failed(then: (error: TankClientError) => void): void
  end(): Promise<void>
  destroy(error: unknown): void
}

function openSink(to: Writable): Sink {
  let failure: TankClientError | undefined
  let onFailure: ((error: TankClientError) => void) | undefined
  const fail = (cause: unknown) => {
    failure ??= new TankClientError('TARGET_FAILED', 'the bytes could not be written', { cause })
    onFailure?.(failure)
  }
  to.on('error', fail)
  to.once('close', () => {
    if (!to.writableFinished) fail(undefined)
  })
  return {
    get error() {
      return failure
    },
    write: (chunk) => to.write(chunk),
    drained: (then) => to.once('drain', then),
    failed(then) {
      onFailure = then
      if (failure !== undefined) then(failure)
    },
    async end() {
      // Standard output belongs to the process and cannot be ended.
      if (to === process.stdout || to === process.stderr) return
      to.end()
      await finished(to)
    },
    destroy(error) {
      if (to === process.stdout || to === process.stderr) return
      to.destroy(error instanceof Error ? error : undefined)
    }
  }
}
