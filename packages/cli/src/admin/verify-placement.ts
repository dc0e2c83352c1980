import { createHash, getHashes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredPlacement } from '@tank/client'
import type { Store } from '@tank/store'

/** Longest time without a byte. */
const SILENCE_MS = 60_000

export interface VerifyOptions {
  readonly signal: AbortSignal
  /** Most bytes in a second; undefined: as fast as they come. */
  readonly rate: number | undefined
  readonly onBytes?: (bytes: number) => void
  /** Longest time without a byte, in ms. */
  readonly silenceMs?: number
}

/** Ends what is silent for too long, or was aborted. */
function watch(signal: AbortSignal, silenceMs: number) {
  const control = new AbortController()
  const onAbort = () => control.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const silent = () => control.abort(new Error(`no byte came for ${Math.ceil(silenceMs / 1000)} s`))
  let timer = setTimeout(silent, silenceMs)
  return {
    signal: control.signal,
    touch() {
      clearTimeout(timer)
      timer = setTimeout(silent, silenceMs)
    },
    pause: () => clearTimeout(timer),
    stop() {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }
}

function differences(
  { size, digests }: StoredPlacement,
  bytes: number,
  found: ReadonlyMap<string, string>
): string[] {
  const sizes = size === null || size === bytes ? [] : [`${bytes} bytes instead of ${size}`]
  const wrong = [...found].filter(([name, digest]) => digest !== digests[name]?.toLowerCase())
  return [
    ...sizes,
    ...wrong.map(([name, digest]) => `${name} ${digest} instead of ${digests[name]}`)
  ]
}

/** The digests that this machine can compute. */
export function provableDigests({ digests }: StoredPlacement): string[] {
  const hashes = getHashes()
  return Object.keys(digests).filter((name) => hashes.includes(name))
}

/**
 * Reads all bytes of a placement and compares them with what the registry says of them. Returns what
 * is different, in words. Rejects when they cannot be read.
 */
export async function verifyPlacement(
  store: Store,
  placement: StoredPlacement,
  { signal, rate, onBytes, silenceMs = SILENCE_MS }: VerifyOptions
): Promise<readonly string[]> {
  const hashes = provableDigests(placement).map((name) => [name, createHash(name)] as const)
  const began = performance.now()
  const watched = watch(signal, silenceMs)
  let bytes = 0
  try {
    const { body } = await store.get(placement.key, { signal: watched.signal })
    for await (const chunk of body) {
      bytes += chunk.length
      for (const [, hash] of hashes) hash.update(chunk)
      onBytes?.(chunk.length)
      // nobody waits for a byte while this sleeps
      watched.pause()
      const ahead = rate === undefined ? 0 : (bytes / rate) * 1000 - (performance.now() - began)
      if (ahead > 10) await sleep(ahead, undefined, { signal: watched.signal })
      watched.touch()
    }
  } catch (error) {
    watched.signal.throwIfAborted()
    throw error
  } finally {
    watched.stop()
  }
  return differences(
    placement,
    bytes,
    new Map(hashes.map(([name, hash]) => [name, hash.digest('hex')]))
  )
}
