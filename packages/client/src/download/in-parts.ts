import type { FileHandle } from 'node:fs/promises'
import { createVerifier, type Verifier } from '../digest.ts'
import { isTankClientError, TankClientError } from '../errors.ts'
import { startIdleWatch } from '../idle.ts'
import { openPartialFile, type PartialFile } from './partial-file.ts'
import {
  type DownloadJob,
  type DownloadResult,
  isPassing,
  requestPart,
  type Span
} from './request.ts'

/** bytes */
export const PART_SIZE = 16 * 1024 * 1024

/** The image cannot be had in parts: its size or digest is unknown, or the server ignores ranges. */
export class NotInParts extends Error {}

/**
 * Fetches an image part by part, several at a time, and goes on where an earlier download broke.
 * Wrong bytes are thrown away: the next download starts anew.
 */
export async function downloadParts(job: DownloadJob, file: string): Promise<DownloadResult> {
  const { resume = false } = job.options
  const verifier = createVerifier(await job.show(), undefined)
  const { size, algorithm, digest } = verifier
  if (size === undefined || algorithm === undefined || digest === undefined) throw new NotInParts()
  const partial = await openPartialFile(file, { size, algorithm, digest }, resume).catch(toTarget)
  try {
    await fetchAll(job, partial, size)
    await verify(verifier, partial, job.options.signal)
    await partial.publish().catch(toTarget)
    return { size, verifiedWith: algorithm, resumed: partial.resumed }
  } catch (error) {
    if (isWrong(error)) await partial.discard()
    else await partial.keep()
    throw error
  }
}

function isWrong(error: unknown): boolean {
  if (error instanceof NotInParts) return true
  return isTankClientError(error, 'DIGEST_MISMATCH') || isTankClientError(error, 'SIZE_MISMATCH')
}

function toTarget(cause: unknown): never {
  throw new TankClientError('TARGET_FAILED', 'the bytes could not be written', { cause })
}

/** One download: what its parts share. */
interface Run {
  readonly job: DownloadJob
  readonly partial: PartialFile
  readonly size: number
  /** Aborts when the caller does, when a part has failed for good, or when a callback throws. */
  readonly signal: AbortSignal
  received(bytes: number): void
}

async function fetchAll(job: DownloadJob, partial: PartialFile, size: number): Promise<void> {
  const { parallel = 1, partSize = PART_SIZE, signal, onProgress } = job.options
  signal?.throwIfAborted()
  const stop = new AbortController()
  const { resumed } = partial
  let bytes = resumed
  const run: Run = {
    job,
    partial,
    size,
    signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
    received(more) {
      bytes += more
      try {
        onProgress?.({ bytes, total: size, ...(resumed > 0 ? { resumed } : {}) })
      } catch (error) {
        stop.abort(error)
      }
    }
  }
  const spans = partial.missing(partSize).values()
  const fetchNext = async () => {
    for (const span of spans) await fetchPart(run, span)
  }
  // a part that waits for a socket would count as a server that has fallen silent
  const workers = Array.from({ length: Math.min(parallel, job.connections) }, () =>
    fetchNext().catch((error: unknown) => {
      stop.abort(error)
      throw error
    })
  )
  const outcomes = await Promise.allSettled(workers)
  signal?.throwIfAborted()
  if (stop.signal.aborted) throw stop.signal.reason
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** Fetches one part, from where it broke when the connection does. */
async function fetchPart(run: Run, span: Span): Promise<void> {
  const { http } = run.job
  let at = span.from
  const moved = (bytes: number) => {
    at += bytes
    run.received(bytes)
  }
  for (let failures = 0; at < span.to; ) {
    const before = at
    try {
      await receive(run, { from: at, to: span.to }, moved)
    } catch (error) {
      if (at > before) await run.partial.add({ from: before, to: at }).catch(toTarget)
      run.signal.throwIfAborted()
      if (!isPassing(error)) throw error
      if (at > before) failures = 0
      if (failures >= http.options.retries) throw error
      await http.pause(failures, error, run.signal)
      failures++
      continue
    }
    await run.partial.add({ from: before, to: at }).catch(toTarget)
  }
}

/** Writes what one answer brings to its place in the file. */
async function receive(run: Run, span: Span, moved: (bytes: number) => void): Promise<void> {
  const watch = startIdleWatch(run.job.times.idleTimeoutMs, run.signal)
  let at = span.from
  try {
    const part = await requestPart(run.job, span, watch.signal)
    const isAll = span.from === 0 && span.to === run.size
    if (part.isWhole && !isAll) {
      part.body.destroy()
      throw new NotInParts()
    }
    if (part.length !== undefined && part.length !== run.size) {
      part.body.destroy()
      throw new TankClientError(
        'SIZE_MISMATCH',
        `the server has ${part.length} bytes instead of ${run.size}`
      )
    }
    for await (const chunk of part.body) {
      watch.touch()
      if (at + chunk.length > span.to) {
        throw new TankClientError('SIZE_MISMATCH', 'the server sent more than was asked for')
      }
      await writeAll(run.partial.handle, chunk, at).catch(toTarget)
      watch.touch()
      at += chunk.length
      moved(chunk.length)
    }
    if (at < span.to) throw new Error('the part ended early')
  } catch (error) {
    if (watch.signal.aborted) throw watch.signal.reason
    if (isTankClientError(error) || error instanceof NotInParts) throw error
    throw new TankClientError('CONNECTION_CLOSED', 'the connection broke', { cause: error })
  } finally {
    watch.stop()
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}

/**
 * Reads what is in the file: that, and not what once came, is what its name will stand for. By its
 * handle, as its path may lead to something else by now.
 */
async function verify(
  verifier: Verifier,
  { handle }: PartialFile,
  signal: AbortSignal | undefined
): Promise<void> {
  const block = Buffer.allocUnsafe(1024 * 1024)
  for (let at = 0; ; ) {
    signal?.throwIfAborted()
    const { bytesRead } = await handle.read(block, 0, block.length, at).catch(toTarget)
    if (bytesRead === 0) break
    verifier.update(block.subarray(0, bytesRead))
    at += bytesRead
  }
  verifier.finish()
}
