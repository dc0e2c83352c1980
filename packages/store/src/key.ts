import { randomUUID } from 'node:crypto'
import { StoreError } from './errors.ts'
import type { Store } from './store.ts'

// Lower case only, since some backends fold case. No dot and no slash: a store makes the names of
// its temporary files, parts and segments from the key and a dot, so no key can be such a name.
const KEY = /^[0-9a-z][0-9a-z-]{0,63}$/
const MAX_URL = 2048

/** A key that nothing has been stored at: made by us, never from a name that a user gave. */
export function newKey(): string {
  return randomUUID()
}

export function isKey(key: unknown): key is string {
  return typeof key === 'string' && KEY.test(key)
}

/** Refuses everything that is not a key, so that a key can never lead out of the store. */
export function assertKey(key: unknown): asserts key is string {
  if (!isKey(key)) throw new StoreError('BAD_LOCATION', 'this is not a key of a store')
}

/** Checks a key against the store it is meant for: its own key, or a URL that it accepts. */
export function assertLocation(store: Pick<Store, 'accepts'>, key: unknown): asserts key is string {
  if (store.accepts === undefined) return assertKey(key)
  const url = typeof key === 'string' ? outsideUrl(key) : undefined
  if (url === undefined || !store.accepts(url)) {
    throw new StoreError('BAD_LOCATION', 'the store does not accept this location')
  }
}

function outsideUrl(key: string): URL | undefined {
  // URL parsing forgives blanks and control characters; what we keep and compare must be exact.
  if (key.length > MAX_URL || !/^[\x21-\x7e]+$/.test(key) || !URL.canParse(key)) return undefined
  const url = new URL(key)
  return url.username === '' && url.password === '' ? url : undefined
}
