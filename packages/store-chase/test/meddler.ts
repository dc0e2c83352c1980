import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as send
} from 'node:http'

/** A request on its way to the server. */
export interface Passing {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly token: string | undefined
}

/** What becomes of a request instead of passing. */
export type Meddling =
  | { readonly status: number; readonly text?: string; readonly headers?: Record<string, string> }
  /** The server does it, and the answer is lost. */
  | 'lose the answer'
  | undefined

/** An HTTP proxy before a real server, or a fake one, that spoils some requests. */
export class Meddler {
  readonly port: number
  readonly seen: Passing[] = []
  meddle: (passing: Passing) => Meddling = () => undefined
  readonly #server: Server
  readonly #target: number

  private constructor(server: Server, port: number, target: number) {
    this.#server = server
    this.port = port
    this.#target = target
    server.on('request', (request, response) => this.#pass(request, response))
  }

  static async open(target: number): Promise<Meddler> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return new Meddler(server, address.port, target)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://meddler')
    const token = request.headers['x-auth-token']
    const passing: Passing = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      token: typeof token === 'string' ? token : undefined
    }
    this.seen.push(passing)
    const meddling = this.meddle(passing)
    if (typeof meddling === 'object') {
      const { status, text = 'spoiled', headers = {} } = meddling
      // As Swift does: the body is read before the answer is given.
      request.resume().on('end', () => response.writeHead(status, headers).end(text))
      return
    }
    const onward = send({
      host: '127.0.0.1',
      port: this.#target,
      method: request.method,
      path: request.url,
      headers: request.headers
    })
    onward.on('response', (answer) => {
      if (meddling === 'lose the answer') {
        answer.resume().on('end', () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.on('close', () => {
      if (!request.complete) onward.destroy()
    })
    request.pipe(onward)
  }
}
