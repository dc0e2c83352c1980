import type { Writable } from 'node:stream'
import { createVerifier, type Verifier } from '../digest.ts'
import { TankClientError } from '../errors.ts'
import { type IdleWatch, startIdleWatch } from '../idle.ts'
import {
  type DownloadJob,
  type DownloadOptions,
  type DownloadResult,
  isPassing,
  type Part,
  requestPart
} from './request.ts'
import { openSink, type Sink } from './sink.ts'

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
    watch.touch()
    await sink.end(watch.signal)
    return { size: verifier.bytes, verifiedWith: verifier.algorithm, resumed: 0 }
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
      const wanted = before === 0 ? undefined : { from: before }
      const part = await requestPart(job, wanted, watch.signal)
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
      if (!isPassing(error) || watch.signal.aborted || sink.error !== undefined) throw error
      if (verifier.bytes > before) failures = 0
      if (failures >= job.http.options.retries) throw error
      watch.touch()
      await job.http.pause(failures, error, watch.signal)
      failures++
    }
  }
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
    const text = 'the server names no digest of this image: only allowUnverified takes it'
    throw new TankClientError('NO_DIGEST', text)
  }
  return fresh
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
    // What was asked for may come after all that is there already.
    let skip = part.isWhole ? verifier.bytes : 0
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
