import { type FoundData, TankError } from '@tank/model'
import { inOrder, type StoredData } from '../download/blob-reader.ts'
import type { Declared } from '../inspection/acceptance.ts'
import { type Place, rangesOfAny } from '../inspection/read-range.ts'
import { judgeStored } from '../inspection/watch.ts'
import type { JobContext, JobRun } from './job.ts'

/** Where the data lies, as far as the stores are configured. */
function placesOf({ reading: { stores } }: JobContext, { placements }: StoredData): Place[] {
  return inOrder(stores, placements, []).flatMap(({ store: name, key }) => {
    const store = stores.get(name)
    return store === undefined ? [] : [{ store, key }]
  })
}

/**
 * Judges data that lies in stores by the few ranges of it that matter, from whichever placements give
 * them (F13). Throws IMAGE_REFUSED, or DATA_UNAVAILABLE when it cannot be read.
 */
export async function inspectStored(
  context: JobContext,
  run: JobRun,
  data: StoredData,
  declared: Declared
): Promise<FoundData> {
  if (data.blob === null) throw new TankError('IMAGE_STATE', 'The image has no data to judge')
  const { size } = data.blob
  const read = rangesOfAny(placesOf(context, data), {
    signal: run.signal,
    deadlineMs: context.reading.storeMs,
    size,
    advance: run.advance
  })
  return judgeStored(declared, size, read, context.inspection, run.log)
}
