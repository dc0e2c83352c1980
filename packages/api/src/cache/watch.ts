import type { FileHandle } from 'node:fs/promises'
import { type CacheFolder, type CacheKey, isStale } from './cache-folder.ts'
import { Flight } from './flight.ts'

const POLL_MS = 20

/**
 * Follows an image that another process of this node fills, as long as somebody reads it here: what
 * the file has, whether it got the name of the image, whether its writer is gone. Takes over the
 * handle.
 */
export async function watchFill(
  folder: CacheFolder,
  key: CacheKey,
  handle: FileHandle,
  size: number
): Promise<Flight> {
  const flight = new Flight(handle, size)
  const { ino } = await handle.stat()
  let isChecking = false
  let largest = 0

  const check = async (): Promise<void> => {
    const file = await handle.stat()
    if (file.size < largest) {
      flight.settle('wrong')
      return
    }
    largest = file.size
    flight.advance(file.size)
    if (file.size === size && (await folder.inodeOf(key)) === ino) flight.settle('complete')
    // given up, or removed from the cache while it was filled
    else if (file.nlink === 0) flight.settle('failed')
    else if (isStale(file)) {
      if ((await folder.inodeFilling(key)) === ino) await folder.dropFilling(key)
      flight.settle('failed')
    }
  }
  const timer = setInterval(() => {
    if (isChecking) return
    isChecking = true
    check()
      .catch(() => flight.settle('failed'))
      .finally(() => {
        isChecking = false
        // the last user left, but for this watch
        if (flight.users > 1 && flight.end === undefined) return
        clearInterval(timer)
        flight.settle('failed')
        void flight.release()
      })
  }, POLL_MS)
  return flight
}
