import type { IncomingHttpHeaders } from 'node:http'
import { rootCertificates } from 'node:tls'
import { type Dispatcher, Pool } from 'undici'

export interface TransportOptions {
  /** `http://host:port[/prefix]`, `https://…` or `unix:/path/to.sock` */
  readonly url: string
  /** Most sockets that are open at once. */
  readonly connections?: number | undefined
  readonly connectTimeoutMs?: number | undefined
  /** Certificates of authorities to trust beside those that Node trusts, PEM. */
  readonly ca?: string | undefined
  /** Sends the requests instead of an own pool; whoever made it closes it. */
  readonly dispatcher?: Dispatcher | undefined
}

export interface CallRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query. */
  readonly path: string
  /** Names and values in turn, the cheapest form that undici takes. */
  readonly headers: string[]
  readonly body?: string | undefined
  /** For the whole exchange. */
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
  readonly reason: 'unreachable' | 'closed' | 'timeout' | 'invalid'
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
  readonly dispatcher: Dispatcher
  /** Sends a small request and collects its answer, whatever its status. */
  call(request: CallRequest): Promise<Answer>
  /** Lets running calls end, then closes the sockets. */
  close(): Promise<void>
}

const KEEP_ALIVE_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
/** More than any page of images; what is longer would only fill the memory. */
const LARGEST_ANSWER = 256 * 1024 * 1024

/** Makes the transport; sockets are opened by the first call. */
export function openTransport(options: TransportOptions): Transport {
  const target = parseTarget(options.url)
  const own = options.dispatcher === undefined
  const dispatcher = options.dispatcher ?? openPool(target, options)
  return {
    url: options.url,
    origin: target.origin,
    prefix: target.prefix,
    dispatcher,
    call: (request) =>
      new Promise((resolve, reject) => {
        if (request.signal?.aborted) {
          reject(request.signal.reason)
          return
        }
        const call = new Call(options.url, request, resolve, reject)
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
          call
        )
      }),
    async close() {
      if (own) await dispatcher.close()
    }
  }
}

interface Target {
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

function openPool(target: Target, options: TransportOptions): Pool {
  return new Pool(target.origin, {
    connections: options.connections ?? 16,
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    ...(options.ca === undefined ? {} : { connect: { ca: [...rootCertificates, options.ca] } }),
    ...(target.socketPath === undefined ? {} : { socketPath: target.socketPath })
  })
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
  readonly #timer: NodeJS.Timeout
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
    this.#timer = setTimeout(this.#onTimeout, request.timeoutMs, request.timeoutMs)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) controller.abort(new Error('the call has ended'))
    else this.#controller = controller
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

  readonly #onTimeout = (timeoutMs: number): void => {
    if (!this.#settle()) return
    const sent = this.#controller !== undefined
    const text = `${this.#url} did not answer within ${timeoutMs} ms`
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
  if (sent)
    return new TransportError('closed', `the connection to ${url} broke: ${why}`, true, cause)
  return new TransportError('unreachable', `${url} cannot be reached: ${why}`, false, cause)
}
