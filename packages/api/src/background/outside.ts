import { type BlobFacts, TankError } from '@tank/model'
import { isStoreError } from '@tank/store'
import type { Digests } from '../ingest/digests.ts'
import type { JobContext, Reading } from './job.ts'

/** Whatever is behind an address, failures look alike (S-17); the log has the cause. */
export function unreadable(cause: unknown): TankError {
  return new TankError('DATA_UNAVAILABLE', 'The data at the location cannot be used', { cause })
}

/** Lets errors of ours through, and the end of the work. */
export function coarse(run: Reading, error: unknown): unknown {
  if (run.signal.aborted) return run.signal.reason
  return error instanceof TankError && !isStoreError(error.cause) ? error : unreadable(error)
}

/** Throws TOO_LARGE for what an origin says of itself; what it sends is counted besides (S-06). */
export function checkSize(context: JobContext, size: number | undefined): void {
  if (size !== undefined && size > context.cap) {
    throw new TankError('TOO_LARGE', `An image has at most ${context.cap} bytes`)
  }
}

/** What has to be computed of data that nobody has read yet. */
export function algorithmsFor(context: JobContext, shown: string): string[] {
  return [...new Set(['sha256', ...(context.md5 ? ['md5'] : []), shown])]
}

/** What was found out about data by reading it; `shown` is the algorithm that people are told. */
export function factsOf(size: number, digests: Digests, shown: string): BlobFacts {
  return {
    size,
    sha256: digests.sha256 ?? '',
    md5: digests.md5 ?? null,
    os_hash_algo: shown,
    os_hash_value: digests[shown] ?? null,
    virtual_size: null,
    format: null
  }
}
