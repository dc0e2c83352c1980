import type { RegistryClient, StoredPlacement } from '@tank/client'
import { isStoreError, type Store } from '@tank/store'
import { explain } from '../explain.ts'
import { provableDigests, type VerifyOptions, verifyPlacement } from './verify-placement.ts'

/** Longest time in which a store says whether it works. */
const CHECK_MS = 30_000

/**
 * What reading a placement has shown. `unproven`: it can be read, but no digest says what it has to
 * be; `gone`: it was deleted in the meantime.
 */
export type Verdict =
  | { readonly is: 'well' | 'unproven' | 'gone' }
  | { readonly is: 'bad'; readonly fault: string }

interface Reader extends VerifyOptions {
  readonly registry: Pick<RegistryClient, 'isStored'>
}

/** Rejects when not this image but the whole store is away. */
async function checkStore(store: Store, error: unknown, signal: AbortSignal): Promise<void> {
  if (!isStoreError(error, 'UNAVAILABLE')) return
  await store.check?.({ signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS)]) })
}

/** Reads a placement. Rejects when its store is away, or the registry. */
export async function verdictOf(
  { registry, ...options }: Reader,
  store: Store,
  placement: StoredPlacement
): Promise<Verdict> {
  const { signal } = options
  let fault: string
  try {
    const wrong = await verifyPlacement(store, placement, options)
    if (wrong.length === 0) {
      return { is: provableDigests(placement).length === 0 ? 'unproven' : 'well' }
    }
    fault = wrong.join(', ')
  } catch (error) {
    signal.throwIfAborted()
    await checkStore(store, error, signal)
    fault = `cannot be read: ${explain(error).replaceAll('\n ', '')}`
  }
  return (await registry.isStored(placement.id, { signal })) ? { is: 'bad', fault } : { is: 'gone' }
}

/** A key for people: of one that is an address, without user and query, which may open it. */
export function keyText(key: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(key)) return key
  return key.replace(/[?#].*$/s, '?***').replace(/:\/\/[^/]*@/, '://***@')
}
