import type { Stores } from '@tank/store'

const MAX_URI = 2048
const PRINTABLE = /^[\x21-\x7e]+$/
const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/([^/?#@\\]+)(?=[/?#]|$)/i

/** Without credentials, and with its host written as a URL parser would: `127.1` is not (S-18). */
function isPlain(uri: string, url: URL): boolean {
  const written = AUTHORITY.exec(uri)?.[1]?.toLowerCase()
  return written?.replace(/:\d+$/, '') === url.hostname
}

/** The store that reads a location; undefined when none does, or when it is no plain URL (I14). */
export function storeForUri(stores: Stores, uri: string): string | undefined {
  if (uri.length > MAX_URI || !PRINTABLE.test(uri) || !URL.canParse(uri)) return undefined
  const url = new URL(uri)
  if (!isPlain(uri, url)) return undefined
  return stores.names().find((name) => stores.get(name)?.accepts?.(url) === true)
}
