import { TankError } from '@tank/model'
import type { JobContext } from '../background/job.ts'
import { type OutsideData, readOutside, sizeOutside } from '../background/read-outside.ts'

/** What data at a location has to be. */
interface Expected {
  /** bytes; null: anything but none */
  readonly size: number | null
  /** Of the data that the image has, where somebody has read it; else null. */
  readonly sha256: string | null
}

/** Looks at outside locations while somebody waits for the answer. */
export interface LocationInspector {
  /**
   * Bytes at a location. Where the image's bytes are known the location is read whole, and has to have
   * the same: data under an id never changes (S-13). Throws INVALID_REQUEST, and says nothing of what
   * is behind the address (S-17); IMAGE_BUSY when too many locations are being read.
   */
  inspect(outside: OutsideData, expected: Expected, signal: AbortSignal): Promise<number>
}

/** Most locations that are read whole at a time. */
const MOST = 4

const refused = (message: string, cause?: unknown) =>
  new TankError('INVALID_REQUEST', message, { cause })

export function createLocationInspector(context: JobContext): LocationInspector {
  let active = 0

  async function compare(
    outside: OutsideData,
    size: number,
    sha256: string,
    signal: AbortSignal
  ): Promise<boolean> {
    if (active >= MOST) {
      throw new TankError('IMAGE_BUSY', 'Too many locations are being read; try again')
    }
    active++
    try {
      const wanted = { size, algorithm: 'sha256' }
      const facts = await readOutside(context, { signal, advance: () => {} }, outside, wanted)
      return facts.sha256 === sha256
    } finally {
      active--
    }
  }

  async function look(
    outside: OutsideData,
    expected: Expected,
    signal: AbortSignal
  ): Promise<number> {
    const size = await sizeOutside(context, { signal, advance: () => {} }, outside)
    if (size === undefined || size === 0) throw refused('The size of the data is not known, or 0')
    const isSame =
      (expected.size ?? size) === size &&
      (expected.sha256 === null || (await compare(outside, size, expected.sha256, signal)))
    if (!isSame) throw refused('The location does not have the data of the image')
    return size
  }

  return {
    async inspect(outside, expected, signal) {
      try {
        return await look(outside, expected, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof TankError && error.code !== 'DATA_UNAVAILABLE') throw error
        throw refused('The location cannot be read', error)
      }
    }
  }
}
