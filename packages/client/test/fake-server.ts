import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** The part of a test that these helpers need. */
export interface Teardown {
  teardown(end: () => unknown): void
}

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export type Handler = (
  request: SeenRequest,
  response: ServerResponse,
  count: number
) => unknown | Promise<unknown>

export interface FakeServer {
  readonly url: string
  readonly requests: SeenRequest[]
  close(): Promise<void>
}

/** A server that collects each request, then lets the handler answer it. */
export async function serve(t: Teardown, handler: Handler, path?: string): Promise<FakeServer> {
  const requests: SeenRequest[] = []
  const server = createServer((request, response) => {
    buffer(request)
      .then((body) => {
        const { method = '', url = '', headers } = request
        const seen = { method, url, headers, body }
        requests.push(seen)
        return handler(seen, response, requests.length)
      })
      .catch(() => response.destroy())
  })
  server.listen(path ?? { port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const close = async () => {
    if (!server.listening) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)
  const url = path === undefined ? urlOf(server.address()) : `unix:${path}`
  return { url, requests, close }
}

export function urlOf(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return `http://127.0.0.1:${address.port}`
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

export function sendProblem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string
): void {
  sendJson(
    response,
    status,
    { type: 'urn:x', title: 'T', status, detail, code, requestId: 'req-problem' },
    { 'content-type': 'application/problem+json' }
  )
}

/** Cuts the connection without an answer. */
export function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

/** Cuts the connection in the middle of an answer. */
export function breakOff(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 10 })
  response.write('half', () => response.socket?.destroy())
}
