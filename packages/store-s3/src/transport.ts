import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { BlockAgent } from './read-blocks.ts'
import { type TimeLimits, watchRequest } from './stall-clock.ts'

/** A request as the SDK makes it. */
interface Request {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface Response {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: IncomingMessage
}

interface HandleOptions {
  /** The SDK also knows signals of another make; ours are the platform's. */
  readonly abortSignal?: unknown
  /** Milliseconds up to the first byte of the answer, counted from the last byte of the request. */
  readonly requestTimeout?: number | undefined
}

/**
 * What the SDK sends its requests with. Its own handler cannot tell a server that stands still from
 * a reader who takes his time; here every wait for the server is bounded, and no wait for us is.
 */
export class Transport {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #options: TimeLimits
  // As many sockets as there are requests: a store that downloads must not keep others waiting.
  readonly #http = new BlockAgent({ keepAlive: true, scheduling: 'lifo' })
  readonly #https = new HttpsAgent({ keepAlive: true, scheduling: 'lifo' })

  constructor(options: TimeLimits) {
    this.#options = options
  }

  handle(request: Request, options: HandleOptions = {}): Promise<{ response: Response }> {
    const { connectMs, answerMs, stallMs } = this.#options
    const limits = { connectMs, stallMs, answerMs: options.requestTimeout ?? answerMs }
    const signal = options.abortSignal instanceof AbortSignal ? options.abortSignal : undefined
    return exchange(this.#open(request), request.body, limits, signal)
  }

  #open({ protocol, hostname, port, method, path, query, headers }: Request): ClientRequest {
    const target = {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      method,
      path: `${path}${queryString(query)}`,
      headers: { ...headers }
    }
    return protocol === 'https:'
      ? httpsRequest({ ...target, agent: this.#https })
      : httpRequest({ ...target, agent: this.#http })
  }

  /** Ends all connections, also those in use. */
  destroy(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  // The SDK expects these two of every handler that is given to it.
  updateHttpClientConfig(): void {}
  httpHandlerConfigs(): object {
    return {}
  }
}

function exchange(
  request: ClientRequest,
  body: unknown,
  limits: TimeLimits,
  signal: AbortSignal | undefined
): Promise<{ response: Response }> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined
    const fail = (error: Error) => {
      answer?.destroy(error)
      request.destroy(error)
      reject(error)
    }
    const onAbort = () => fail(signal?.reason)
    watchRequest(request, limits, fail)
    request.on('error', reject)
    request.on('response', (response) => {
      answer = response
      // Nobody else may be listening yet, and an error without a listener ends the process.
      response.on('error', () => {})
      resolve({ response: toResponse(response) })
    })
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    request.once('close', () => signal?.removeEventListener('abort', onAbort))
    if (body === undefined || (body as { length?: number }).length === 0) request.end()
    else request.end(body as string | Uint8Array)
  })
}

function toResponse(message: IncomingMessage): Response {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return { statusCode: message.statusCode ?? 0, headers, body: message }
}

function queryString(query: Request['query'] = {}): string {
  const parts: string[] = []
  for (const [name, value] of Object.entries(query)) {
    if (value === null) parts.push(escaped(name))
    else for (const each of [value].flat()) parts.push(`${escaped(name)}=${escaped(each)}`)
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

/** As the signature has it: everything but RFC 3986's unreserved characters. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  })
}
