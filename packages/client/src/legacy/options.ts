import { readFileSync } from 'node:fs'
import type { Dispatcher } from 'undici'
import { type Auth, type CatalogAuth, tokenAuth } from '../auth/auth.ts'
import { TankClientError } from '../errors.ts'
import type { TransportOptions } from '../transport.ts'
import { credentialsAuth, type LegacyCredentials } from './credentials.ts'

/** Where a server of the Image API v1 is, who asks, and how long for. */
export interface LegacyClientOptions {
  /** Name or address of the server; the catalogue of the credentials names it unless told. */
  readonly host?: string | undefined
  /** 9292 unless told */
  readonly port?: number | undefined
  /** TLS; false unless told. */
  readonly useSsl?: boolean | undefined
  /** Token that is sent as `X-Auth-Token`. */
  readonly authTok?: string | undefined
  /** Where a token comes from, also when the server refuses `authTok`. */
  readonly creds?: LegacyCredentials | undefined
  /**
   * Instead of `creds`, of which the `region` alone still counts: any other identity service, such as
   * `applicationCredentialAuth(…)`.
   */
  readonly auth?: Auth | CatalogAuth | undefined
  /** Further headers of every request to the server itself; other hosts do not get them. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Path of the API, `/v1` unless told. */
  readonly docRoot?: string | undefined
  /** Files with key and certificate of the client, PEM; both or none. */
  readonly keyFile?: string | undefined
  readonly certFile?: string | undefined
  /**
   * File with certificates of authorities to trust beside those that come with Node, PEM. With it
   * `NODE_EXTRA_CA_CERTS` does not count.
   */
  readonly caFile?: string | undefined
  /** Takes any certificate of the server. For tests: whoever is on the way can read everything. */
  readonly insecure?: boolean | undefined
  /** Longest time for one small request, 30,000 unless told. */
  readonly timeoutMs?: number | undefined
  /** Longest time without a byte in either direction, 60,000 unless told. */
  readonly idleTimeoutMs?: number | undefined
  /** Longest time from the last byte of an upload to its answer, 300,000 unless told. */
  readonly answerTimeoutMs?: number | undefined
  /** Further tries of what can be tried again without harm, 3 unless told. */
  readonly retries?: number | undefined
  /** First pause before another try; it doubles. 200 unless told. */
  readonly retryDelayMs?: number | undefined
  /** undici dispatcher to use instead of own pools, for a proxy. */
  readonly dispatcher?: Dispatcher | undefined
}

/** Reads the files, so that a wrong path is known before anything is sent. */
export function tlsOf({
  keyFile,
  certFile,
  caFile,
  insecure,
  dispatcher
}: LegacyClientOptions): Pick<TransportOptions, 'ca' | 'cert' | 'key' | 'insecure' | 'dispatcher'> {
  if ((keyFile === undefined) !== (certFile === undefined)) {
    const [given, missing] = keyFile ? ['keyFile', 'certFile'] : ['certFile', 'keyFile']
    throw new TankClientError('TLS_FILES', `${given} needs ${missing}: give both or none`)
  }
  const [key, cert, ca] = [keyFile, certFile, caFile].map(readPem)
  return { key, cert, ca, insecure, dispatcher }
}

function readPem(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new TankClientError('TLS_FILES', `${file} cannot be read`, { cause })
  }
}

export function authOf(
  { authTok, creds, auth }: LegacyClientOptions,
  ca: string | undefined
): Auth | CatalogAuth | undefined {
  const source = auth ?? (creds === undefined ? undefined : credentialsAuth(creds, ca))
  if (authTok === undefined || authTok === '') return source
  return source === undefined ? tokenAuth(authTok) : tokenFirst(authTok, source)
}

/** The token as long as it is taken, then those of the identity service. */
function tokenFirst(token: string, source: Auth | CatalogAuth): Auth | CatalogAuth {
  let isGood = true
  return {
    ...source,
    token: async () => (isGood ? token : source.token()),
    refuse(refused) {
      if (!isGood || refused !== token) return source.refuse(refused)
      isGood = false
      return true
    }
  }
}

/** Where the API is, looked up once when the options do not say it. */
export function baseOf(
  options: LegacyClientOptions,
  auth: Auth | CatalogAuth | undefined
): () => Promise<string> {
  const { host, port = 9292, useSsl = false, docRoot = '/v1' } = options
  const path = docRoot.replace(/^\/*/, '/').replace(/\/+$/, '')
  if (host !== undefined) {
    const authority = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
    const base = `${useSsl ? 'https' : 'http'}://${authority}:${port}`
    if (!URL.canParse(base) || new URL(base).pathname !== '/') {
      throw new TankClientError('MISCONFIGURED', `host is a name or an address, not ${host}`)
    }
    return async () => base + path
  }
  if (auth === undefined || !('endpoint' in auth)) {
    const text = 'give the host of the image service, or credentials whose catalogue names it'
    throw new TankClientError('MISCONFIGURED', text)
  }
  let found: Promise<string> | undefined
  return () => {
    found ??= auth
      .endpoint({ region: options.creds?.region })
      .then((url) => url.replace(/\/+$/, '').replace(/\/v\d+(\.\d+)?$/, '') + path)
    found.catch(() => {
      found = undefined
    })
    return found
  }
}
