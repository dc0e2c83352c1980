import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { NativeCalls } from './native-calls.ts'

export interface TransportOptions {
  /** `http://host:port[/prefix]`, `https://…` or `unix:/path/to.sock` */
  readonly url: string
  /** Most sockets that are open at once. */
  readonly connections?: number | undefined
  readonly connectTimeoutMs?: number | undefined
  /**
   * Certificates of authorities to trust beside those that come with Node, PEM. With it
   * `NODE_EXTRA_CA_CERTS` does not count.
   */
  readonly ca?: string | undefined
  /** Certificate that the client shows, PEM; needs `key`. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Takes any certificate: whoever is on the way can read and change everything. */
  readonly insecure?: boolean | undefined
  /** Most bytes of the headers of one answer, undici's own limit unless told. */
  readonly maxHeaderSize?: number | undefined
  /** Sends the requests instead of an own pool; whoever made it closes it. */
  readonly dispatcher?: Dispatcher | undefined
  /** Small calls by Node's own HTTP client: less to load for who makes only a few. */
  readonly light?: boolean | undefined
}

export interface CallRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query. */
  readonly path: string
  /** Names and values in turn, the cheapest form that undici takes. */
  readonly headers: string[]
  readonly body?: string | undefined
  /** For the whole exchange, once there is a socket for it; waiting for one may take as long again. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** The exchange failed below HTTP. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly reason: 'unreachable' | 'certificate' | 'closed' | 'timeout' | 'invalid'
  /** False when the server certainly never saw the request. */
  readonly sent: boolean

  constructor(
    reason: TransportError['reason'],
    message: string,
    sent: boolean,
    options?: ErrorOptions
  ) {
    super(message, options)
    this.reason = reason
    this.sent = sent
  }
}

/** One server, reached over pooled sockets. */
export interface Transport {
  readonly url: string
  readonly origin: string
  /** Path that stands before every request's path, without a slash at its end. */
  readonly prefix: string
  /** What transfers go by. */
  dispatcher(): Promise<Dispatcher>
  /** Sends a small request and collects its answer, whatever its status. */
  call(request: CallRequest): Promise<Answer>
  /** Lets running calls end, then closes the sockets. */
  close(): Promise<void>
}

export const CONNECTIONS = 16
export const CONNECT_TIMEOUT_MS = 5_000
/** More than any page of images; what is longer would only fill the memory. */
export const LARGEST_ANSWER = 256 * 1024 * 1024

/** Makes the transport; sockets are opened by the first call. */
export function openTransport(options: TransportOptions): Transport {
  const target = parseTarget(options.url)
  const { dispatcher, light = false } = options
  // loaded by the first call that needs it
  let pool: Promise<Dispatcher> | undefined
  const openPool = async () => (await import('./pool.ts')).openPool(target, options)
  const dispatcherOf = () => {
    pool ??= dispatcher === undefined ? openPool() : Promise.resolve(dispatcher)
    return pool
  }
  let native: Promise<NativeCalls> | undefined
  const openNative = async () =>
    (await import('./native-calls.ts')).openNativeCalls(target, options)
  const isNative = light && dispatcher === undefined
  let closing: Promise<void> | undefined
  const close = async () => {
    if (dispatcher === undefined) await (await pool)?.close()
    await (await native)?.close()
  }
  return {
    url: options.url,
    origin: target.origin,
    prefix: target.prefix,
    dispatcher: dispatcherOf,
    async call(request) {
      if (!isNative) return await callBy(await dispatcherOf(), target, request, options.url)
      if (closing !== undefined) {
        const text = `${options.url} cannot be reached: the client has been closed`
        throw new TransportError('unreachable', text, false)
      }
      native ??= openNative()
      return await (await native).call(request)
    },
    close() {
      closing ??= close()
      return closing
    }
  }
}

function callBy(
  dispatcher: Dispatcher,
  target: Target,
  request: CallRequest,
  url: string
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (request.signal?.aborted) {
      reject(request.signal.reason)
      return
    }
    dispatcher.dispatch(
      {
        origin: target.origin,
        path: target.prefix + request.path,
        method: request.method,
        headers: request.headers,
        body: request.body ?? null,
        headersTimeout: 0,
        bodyTimeout: 0
      },
      new Call(url, request, resolve, reject)
    )
  })
}

export interface Target {
  readonly origin: string
  readonly prefix: string
  readonly socketPath: string | undefined
}

function parseTarget(url: string): Target {
  if (url.startsWith('unix:')) {
    const socketPath = url.slice('unix:'.length)
    if (!socketPath.startsWith('/')) throw new TypeError(`not a Unix socket URL: ${url}`)
    return { origin: 'http://localhost', prefix: '', socketPath }
  }
  if (!URL.canParse(url)) throw new TypeError(`not a URL: ${url}`)
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new TypeError(`not an http, https or unix URL: ${url}`)
  }
  return {
    origin: parsed.origin,
    prefix: parsed.pathname.replace(/\/+$/, ''),
    socketPath: undefined
  }
}

/**
 * Collects one answer. It works on undici's dispatch interface because `request()` would make a
 * stream and several objects for each answer, which is a good part of the cost of a small call.
 */
class Call implements Dispatcher.DispatchHandler {
  readonly #url: string
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #first: Buffer | undefined
  #rest: Buffer[] | undefined
  #bytes = 0
  #settled = false

  constructor(
    url: string,
    request: CallRequest,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void
  ) {
    this.#url = url
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = request.signal
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#timeoutMs = request.timeoutMs
    this.#timer = setTimeout(this.#onTimeout, request.timeoutMs)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error('the call has ended'))
      return
    }
    this.#controller = controller
    // who waited for others' sockets knows nothing of the server yet
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#onTimeout, this.#timeoutMs)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > LARGEST_ANSWER) this.#controller?.abort(new Error('the answer is too large'))
    else if (this.#first === undefined) this.#first = chunk
    else if (this.#rest === undefined) this.#rest = [this.#first, chunk]
    else this.#rest.push(chunk)
  }

  onResponseEnd(): void {
    if (!this.#settle()) return
    const body = this.#rest === undefined ? this.#first : Buffer.concat(this.#rest)
    this.#resolve({ status: this.#status, headers: this.#headers, body: body ?? Buffer.alloc(0) })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#settle()) return
    this.#reject(toTransportError(this.#url, error, this.#controller !== undefined))
  }

  readonly #onAbort = (): void => {
    if (!this.#settle()) return
    this.#controller?.abort(new Error('the call was aborted'))
    this.#reject(this.#signal?.reason)
  }

  readonly #onTimeout = (): void => {
    if (!this.#settle()) return
    const sent = this.#controller !== undefined
    const text = sent
      ? `${this.#url} did not answer within ${this.#timeoutMs} ms`
      : `no connection to ${this.#url} was ready for ${this.#timeoutMs} ms`
    const error = new TransportError('timeout', text, sent)
    this.#controller?.abort(error)
    this.#reject(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

/** Names what went wrong below HTTP. */
export function toTransportError(url: string, error: unknown, sent: boolean): TransportError {
  if (error instanceof TransportError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const cause = { cause: error }
  if (code === 'UND_ERR_INVALID_ARG') {
    const text = error instanceof Error ? error.message : 'invalid request'
    return new TransportError('invalid', text, false, cause)
  }
  const why = error instanceof Error && error.message !== '' ? error.message : code
  const advice = certificateAdvice(code)
  if (advice !== undefined) {
    const text = `the certificate of ${url} cannot be trusted (${why}): ${advice}`
    return new TransportError('certificate', text, false, cause)
  }
  if (sent)
    return new TransportError('closed', `the connection to ${url} broke: ${why}`, true, cause)
  return new TransportError('unreachable', `${url} cannot be reached: ${why}`, false, cause)
}

/** What to do about a certificate that was refused; undefined for every other failure. */
function certificateAdvice(code: string): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return 'use a name that it is for'
  }
  if (code === 'CERT_HAS_EXPIRED') return 'whoever runs the service has to renew it'
  if (code === 'CERT_NOT_YET_VALID') return 'look at the clock of this machine'
  if (!CERTIFICATE_FAILURE.test(code)) return undefined
  return 'if it is your own authority that made it, give that as `ca`'
}

/** Node passes the names of OpenSSL's X509_V_ERR_… on. */
const CERTIFICATE_FAILURE =
  /^(UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_|DEPTH_ZERO_|SELF_SIGNED_|CERT_|CRL_|INVALID_(CA|PURPOSE)$|PATH_LENGTH_EXCEEDED$|ERR_TLS_CERT_)/

/** Failures of a handshake that come before the first byte of a request. */
export function isHandshakeFailure(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|EPROTO$)/.test(code) || CERTIFICATE_FAILURE.test(code)
}
