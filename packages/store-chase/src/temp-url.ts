import { createHmac } from 'node:crypto'
import { StoreError } from '@tank/store'
import type { Limits } from './limits.ts'

/** A URL that reads one object, by whole or by range, until its time is over (Swift's TempURL). */
export function signUrl(url: URL, key: string, seconds: number, limits: Limits): URL {
  const { urlDigest } = limits
  if (urlDigest === undefined) {
    throw new StoreError('UNSUPPORTED', 'the server has no signed URLs: remove tempUrlKey')
  }
  const expires = Math.floor(Date.now() / 1_000) + seconds
  // Signed is the path as the server decodes it.
  const text = `GET\n${expires}\n${decodeURIComponent(url.pathname)}`
  const signature = createHmac(urlDigest, key).update(text).digest('hex')
  const signed = new URL(url)
  signed.search = new URLSearchParams({
    temp_url_sig: signature,
    temp_url_expires: String(expires)
  }).toString()
  return signed
}
