/** What a download reads at a time, as long as not too many of them stand still. */
export const BLOCK = 1024 * 1024
const SMALL = 64 * 1024

// 64 MiB for all downloads together. Beyond that blocks are small, so that hundreds of slow
// readers do not fill the memory, and the fast ones lose only speed.
const MAX_LARGE = 64
// Kept between downloads, so that not each of them asks the system for fresh pages.
const MAX_FREE = 16

let large = 0
const freeLarge: Buffer[] = []
const freeSmall: Buffer[] = []

/** Memory for a read of so many bytes, or fewer. */
export function takeBlock(wanted: number): Buffer {
  if (wanted <= SMALL || large === MAX_LARGE) {
    return freeSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL)
  }
  large += 1
  return freeLarge.pop() ?? Buffer.allocUnsafeSlow(BLOCK)
}

/** Gives back a block that nobody else holds: the next read writes over it. */
export function returnBlock(block: Buffer): void {
  const free = block.length === BLOCK ? freeLarge : freeSmall
  if (free.length < MAX_FREE) free.push(block)
  dropBlock(block)
}

/** Forgets a block that somebody may still be reading. */
export function dropBlock(block: Buffer): void {
  if (block.length === BLOCK) large -= 1
}
