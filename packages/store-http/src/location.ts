import { StoreError } from '@tank/store'

/** Which URLs are read at all. */
export interface LocationRules {
  readonly allowHttp: boolean
  readonly ports: ReadonlySet<number>
}

const MAX_URL = 2048
const PRINTABLE = /^[\x21-\x7e]+$/
const ABSOLUTE = /^(https?):\/\/([^/?#@\\]+)(?=[/?#]|$)/i
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** Whether a URL can be a location, as far as the URL itself shows (S-18 step 1). */
export function isLocation(url: URL, rules: LocationRules): boolean {
  return faultOf(url, rules) === undefined
}

/**
 * The URL of a location. BAD_LOCATION says what is wrong with it; nobody has been asked by then.
 * The host must be written as the URL parser would write it: no other way to write 127.0.0.1 may
 * get past a reader who looks for 127.0.0.1.
 */
export function parseLocation(text: string, rules: LocationRules): URL {
  if (text.length > MAX_URL) throw bad(`a location has at most ${MAX_URL} characters`)
  const match = PRINTABLE.test(text) && !text.includes('\\') ? ABSOLUTE.exec(text) : null
  if (match === null || !URL.canParse(text)) {
    throw bad('a location is an absolute http or https URL without credentials')
  }
  const url = new URL(text)
  const fault = faultOf(url, rules)
  if (fault !== undefined) throw bad(fault)
  const authority = match[2]?.toLowerCase()
  const withPort = `${url.hostname}:${url.port || DEFAULT_PORTS[url.protocol]}`
  if (authority !== url.host && authority !== withPort) {
    throw bad('the host of the location is not in its plain form')
  }
  return url
}

/** Where an answer sends us, held to the same rules as the first location (S-18 step 3). */
export function parseRedirect(from: URL, to: string, rules: LocationRules): URL {
  if (!PRINTABLE.test(to) || to.includes('\\')) throw new Error('redirected to no URL')
  if (/^[a-z][a-z0-9+.-]*:/i.test(to)) return assertSecure(from, parseLocation(to, rules))
  if (to.startsWith('//')) return parseLocation(`${from.protocol}${to}`, rules)
  return parseLocation(new URL(to, from).href, rules)
}

function assertSecure(from: URL, to: URL): URL {
  if (from.protocol === 'https:' && to.protocol !== 'https:') {
    throw new Error('redirected from https to http')
  }
  return to
}

function faultOf(url: URL, { allowHttp, ports }: LocationRules): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return 'a location is an http or https URL'
  }
  if (url.protocol === 'http:' && !allowHttp) return 'locations are read by https only'
  if (url.username !== '' || url.password !== '') return 'a location has no user and no password'
  if (url.href.length > MAX_URL) return `a location has at most ${MAX_URL} characters`
  if (url.hostname.endsWith('.')) return 'the host of the location is not in its plain form'
  if (!ports.has(Number(url.port || DEFAULT_PORTS[url.protocol]))) {
    return 'locations on this port are not read'
  }
  return undefined
}

function bad(message: string): StoreError {
  return new StoreError('BAD_LOCATION', message)
}
