const MOST_TRIES = 1500
const MOST_MS = 30_000

/** A smaller image of which the same is true: shorter, and with as many zeros as possible. */
export function minimise(bytes: Uint8Array, isSame: (bytes: Uint8Array) => boolean): Uint8Array {
  const end = Date.now() + MOST_MS
  // a Buffer's slices would be the same bytes
  let best: Uint8Array = new Uint8Array(bytes)
  let tries = 0
  const take = (candidate: Uint8Array): boolean => {
    if (tries++ > MOST_TRIES || Date.now() > end || !isSame(candidate)) return false
    best = candidate
    return true
  }
  for (let step = best.length >> 1; step > 0; step >>= 1)
    while (step < best.length && take(best.slice(0, best.length - step)));
  for (let step = best.length >> 1; step > 0; step >>= 1) {
    for (let at = 0; at < best.length; at += step) {
      const candidate = best.slice()
      if (best.subarray(at, at + step).some((byte) => byte !== 0))
        take(candidate.fill(0, at, at + step))
    }
  }
  return best
}
