const MIB = 1 << 20
const SMALLEST = 64 << 10
const BUDGET = 64 * MIB

/**
 * Size of the next block for one of `uploads` running uploads: large blocks while there are few, small
 * ones when many clients send at once, so that half-filled blocks stay within a budget (S-34).
 */
export function blockSize(uploads: number): number {
  const share = BUDGET / Math.max(1, uploads)
  return share >= MIB ? MIB : Math.max(SMALLEST, 2 ** Math.floor(Math.log2(share)))
}
