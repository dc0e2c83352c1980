import { PassThrough, type Readable } from 'node:stream'
import { BlobReader, type StoredData } from '../download/blob-reader.ts'
import type { Digests } from '../ingest/digests.ts'
import { Intake } from '../ingest/intake.ts'
import { type DataSignature, signedDigests } from '../ingest/signatures.ts'
import type { Watch } from '../inspection/watch.ts'
import type { JobContext, JobRun, Reading } from './job.ts'

/** Bytes that wait between a source and a target. */
const BUFFERED = 1 << 20

/** One pass over data: counted, hashed, and handed on. */
export interface WholeRead {
  /** Has to be read to its end. */
  readonly body: Intake
  /** Digests of what went through, once the body has ended. Rejects with what broke the source. */
  finish(): Promise<Digests>
  /** What the reading failed of, if it failed, and not who read it. */
  readonly failure: unknown
  /** Ends the reading; nothing of it is wanted any more. */
  drop(): void
}

export interface HashedOptions {
  /** Bytes that have to come, if that is known. */
  readonly size: number | undefined
  readonly algorithms: readonly string[]
  /** What the data has to fit; else `finish` rejects with INVALID_REQUEST. */
  readonly signature?: DataSignature | undefined
  /** Judges the data as it passes. */
  readonly watch?: Watch | undefined
}

/** Counts and hashes what a source sends. Memory is bounded, however much that is. */
export function readHashed(
  context: JobContext,
  run: Reading,
  source: Readable,
  { size, algorithms, signature, watch }: HashedOptions
): WholeRead {
  const digests = signedDigests(context.digests.open(algorithms), signature)
  let failure: unknown
  source.on('error', (error) => {
    failure ??= error
  })
  const body = new Intake(source, { announced: size, cap: context.cap, digests, watch })
  // whoever reads it says what went wrong there
  body.on('error', () => {})
  source.on('data', (chunk: Buffer) => run.advance(chunk.length))
  return {
    body,
    finish: () => digests.end(),
    get failure() {
      return failure ?? body.failure
    },
    drop() {
      digests.drop()
      body.destroy()
      source.destroy()
    }
  }
}

/**
 * Reads all bytes of an image once, from whichever placements give them. Throws DATA_UNAVAILABLE
 * when none does.
 */
export async function readWhole(
  context: JobContext,
  run: JobRun,
  data: StoredData,
  { algorithms, signature }: Omit<HashedOptions, 'size'>
): Promise<WholeRead> {
  const stop = new AbortController()
  const signal = AbortSignal.any([run.signal, stop.signal])
  const request = { data, range: undefined, prefer: [], signal, log: run.log }
  const reader = new BlobReader(context.reading, request)
  await reader.open()
  const source = new PassThrough({ highWaterMark: BUFFERED })
  const read = readHashed(context, run, source, { size: data.blob?.size, algorithms, signature })
  reader.send(source, signal, { pump: false }).then(
    () => source.end(),
    (error: Error) => source.destroy(error)
  )
  return {
    body: read.body,
    finish: read.finish,
    get failure() {
      return read.failure
    },
    drop() {
      read.drop()
      // what waits for room in the source would wait for ever
      stop.abort(new Error('the data is not wanted any more'))
    }
  }
}
