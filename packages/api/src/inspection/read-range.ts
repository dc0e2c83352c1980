import { addAbortSignal } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Range, ReadRange } from '@tank/inspect'
import { isTankError, TankError } from '@tank/model'
import { isStoreError, type Store, StoreError } from '@tank/store'
import { openWithin } from '../download/open-within.ts'
import { fromStoreError } from '../store-errors.ts'

export interface ReadRangeOptions {
  readonly signal: AbortSignal
  /** Longest time that one range may take; a store that knows no ranges may keep silent for so long. */
  readonly deadlineMs: number
  /** Bytes that have to lie there; undefined: any number. */
  readonly size?: number | undefined
  /** Counts bytes as they come. */
  readonly advance?: ((bytes: number) => void) | undefined
}

/** Where bytes lie. */
export interface Place {
  readonly store: Pick<Store, 'get' | 'features'>
  readonly key: string
}

/** Before the second try and before the third. */
const PAUSES_MS = [200, 1000]

/** Bytes of a body from `skip` on, at most `length`. */
async function collect(
  body: AsyncIterable<Uint8Array>,
  skip: number,
  length: number,
  onBytes: (count: number) => void
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let at = -skip
  for await (const chunk of body) {
    onBytes(chunk.length)
    const from = Math.max(0, -at)
    const part = chunk.subarray(from, from + Math.max(0, length - Math.max(0, at)))
    bytes.set(part, Math.max(0, at))
    at += chunk.length
    if (at >= length) break
  }
  if (at < length) throw new StoreError('FAILED', 'the store sent too few bytes')
  return bytes
}

async function readOnce(
  { store, key }: Place,
  { offset, length }: Range,
  { signal, deadlineMs, size, advance }: ReadRangeOptions
): Promise<Uint8Array> {
  const range = store.features.ranges ? { offset, length } : undefined
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(new StoreError('UNAVAILABLE', 'the store does not send')),
    deadlineMs
  )
  const end = AbortSignal.any([signal, late.signal])
  try {
    const source = await openWithin(store, key, { range, signal: end, deadlineMs })
    try {
      if (size !== undefined && source.size !== undefined && source.size !== size)
        throw new StoreError('SIZE_MISMATCH', 'the data has the wrong size')
      // whatever the store makes of the signal
      addAbortSignal(end, source.body)
      return await collect(source.body, range === undefined ? offset : 0, length, (count) => {
        // all that comes before a range takes its time
        if (range === undefined) timer.refresh()
        advance?.(count)
      })
    } finally {
      source.body.destroy()
    }
  } catch (error) {
    throw end.aborted ? end.reason : error
  } finally {
    clearTimeout(timer)
  }
}

async function readAny(
  places: readonly Place[],
  range: Range,
  options: ReadRangeOptions
): Promise<Uint8Array> {
  let cause: unknown
  for (const place of places) {
    try {
      return await readOnce(place, range, options)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isStoreError(error)) throw fromStoreError(error)
      cause = error
    }
  }
  const message = 'The image data cannot be read now; try again later'
  throw new TankError('DATA_UNAVAILABLE', message, { cause })
}

/**
 * Reads ranges of the same bytes from the first place that gives them; a store that knows no ranges is
 * read from the start. When no place gives them, all are asked again: a range is little, and behind it
 * stands the whole image. Throws DATA_UNAVAILABLE in the end, or the signal's reason.
 */
export function rangesOfAny(places: readonly Place[], options: ReadRangeOptions): ReadRange {
  const { signal } = options
  return async (range) => {
    if (range.length === 0) return new Uint8Array(0)
    for (let tries = 0; ; tries++) {
      try {
        return await readAny(places, range, options)
      } catch (error) {
        const pause = PAUSES_MS[tries]
        if (pause === undefined || !isTankError(error, 'DATA_UNAVAILABLE')) throw error
        await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }
}

/** The same for bytes that lie under a key of one store. */
export function rangesOf(store: Place['store'], key: string, options: ReadRangeOptions): ReadRange {
  return rangesOfAny([{ store, key }], options)
}
