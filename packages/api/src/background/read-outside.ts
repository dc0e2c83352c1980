import { finished } from 'node:stream/promises'
import { type BlobFacts, TankError } from '@tank/model'
import type { Store } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import type { DataSignature } from '../ingest/signatures.ts'
import type { JobContext, Reading } from './job.ts'
import { algorithmsFor, checkSize, coarse, factsOf, unreadable } from './outside.ts'
import { readHashed } from './read-whole.ts'
import { untilAborted } from './until-aborted.ts'

/** Data at an outside location, and the store that reads it. */
export interface OutsideData {
  readonly store: Store
  readonly location: string
}

interface Wanted {
  /** Bytes that have to come, if that is known. */
  readonly size: number | undefined
  /** Of the digest that people are shown. */
  readonly algorithm: string
  /** What the data has to fit; else INVALID_REQUEST is thrown. */
  readonly signature?: DataSignature | undefined
}

/** Bytes at a location as its store says; undefined when it does not. */
export async function sizeOutside(
  context: JobContext,
  run: Reading,
  { store, location }: OutsideData
): Promise<number | undefined> {
  const late = AbortSignal.timeout(Math.ceil(context.reading.storeMs))
  const signal = AbortSignal.any([run.signal, late])
  try {
    const stat = store.stat(location, { signal })
    const { size } = await untilAborted(signal, stat)
    checkSize(context, size)
    return size
  } catch (error) {
    throw coarse(run, error)
  }
}

/** Reads everything at the location once (LA6, LA7). */
export async function readOutside(
  context: JobContext,
  run: Reading,
  { store, location }: OutsideData,
  { size, algorithm, signature }: Wanted
): Promise<BlobFacts> {
  const algorithms = algorithmsFor(context, algorithm)
  const { signal } = run
  let read: ReturnType<typeof readHashed> | undefined
  try {
    const options = { range: undefined, signal, deadlineMs: context.reading.storeMs }
    const { body } = await openWithin(store, location, options)
    read = readHashed(context, run, body, { size, algorithms, signature })
    read.body.resume()
    await finished(read.body, { signal, writable: false })
    return factsOf(read.body.received, await read.finish(), algorithm)
  } catch (error) {
    read?.drop()
    const failure = read?.failure ?? error
    throw coarse(run, failure instanceof TankError ? failure : unreadable(failure))
  }
}
