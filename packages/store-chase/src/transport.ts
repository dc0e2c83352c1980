import { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { connectionError } from './errors.ts'
import { HttpBody } from './http-body.ts'
import type { Settings } from './options.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Readable | Buffer | undefined
  /** Milliseconds until an answer must begin, when not those of the options. */
  readonly answerTimeout?: number | undefined
}

/** An answer whose body is still to come: it must be read, dropped or destroyed. */
export interface HttpAnswer {
  readonly status: number
  header(name: string): string | undefined
  readonly body: HttpBody
}

/**
 * HTTP/1.1 with a bound on every wait: until connected, until the answer begins (while the server
 * takes the body the clock starts anew), and between two blocks of its body. Redirects are answers
 * like others: credentials go nowhere but to the configured hosts.
 */
export class Transport {
  readonly #agent: Agent
  readonly #settings: Settings

  constructor(settings: Settings) {
    const { timeouts, authorities } = settings
    this.#settings = settings
    this.#agent = new Agent({
      connect: {
        timeout: timeouts.connect,
        ...(authorities === undefined ? {} : { ca: [...authorities] })
      },
      headersTimeout: timeouts.answer,
      bodyTimeout: timeouts.stall,
      // Less than what servers and proxies commonly grant, so that rarely a connection is used
      // that the other side is closing.
      keepAliveTimeout: 4_000,
      pipelining: 1
    })
  }

  /** Rejects with StoreError UNAVAILABLE when no answer comes, with `signal.reason` on an abort. */
  send(request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        if (request.body instanceof Readable) request.body.destroy()
        reject(signal.reason)
        return
      }
      const exchange = new Exchange(request, signal, resolve, reject)
      const { method, url, headers, body, answerTimeout } = request
      this.#agent.dispatch(
        {
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers: { 'user-agent': 'tank-store-chase', ...headers },
          body: body ?? null,
          headersTimeout: answerTimeout ?? this.#settings.timeouts.answer
        },
        exchange
      )
    })
  }

  /** Cuts what is still under way. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest
  readonly #signal: AbortSignal | undefined
  readonly #resolve: (answer: HttpAnswer) => void
  readonly #reject: (error: unknown) => void
  readonly #onAbort: () => void
  #controller: Dispatcher.DispatchController | undefined
  #body: HttpBody | undefined

  constructor(
    request: HttpRequest,
    signal: AbortSignal | undefined,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: unknown) => void
  ) {
    this.#request = request
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    this.#onAbort = () => this.#abort()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#signal?.aborted) controller.abort(new Error('aborted'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>
  ): void {
    if (status < 200) return
    const length = headers['content-length']
    const hasBody = this.#request.method !== 'HEAD' && status !== 204 && status !== 304
    const expected = hasBody && typeof length === 'string' ? Number(length) : undefined
    this.#body = new HttpBody(controller, expected)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    const header = (name: string) => {
      const value = headers[name]
      return typeof value === 'string' ? value : value?.[0]
    }
    this.#resolve({ status, header, body: this.#body })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.receive(chunk)
  }

  onResponseEnd(): void {
    this.#body?.finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (this.#body !== undefined) this.#body.fail(error)
    else this.#reject(this.#signal?.aborted ? this.#signal.reason : connectionError(error))
  }

  /** The caller must not wait for a connection that may be hanging. */
  #abort(): void {
    this.#reject(this.#signal?.reason)
    this.#controller?.abort(new Error('aborted'))
  }
}
