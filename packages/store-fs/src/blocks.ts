export const BLOCK = 1024 * 1024

// Kept for the next download, so that not each of them asks the system for fresh pages.
const MAX_FREE = 16
const free: Buffer[] = []

export function takeBlock(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(BLOCK)
}

/** Only for blocks that nobody else holds: the next download writes over them. */
export function returnBlock(block: Buffer): void {
  if (free.length < MAX_FREE) free.push(block)
}
