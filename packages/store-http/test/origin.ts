import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Test } from 'tap'

export interface Origin {
  readonly port: number
  /** What was asked, such as `GET /a.img`. */
  readonly asked: string[]
  /** Connections that are open now. */
  open(): number
}

/** A web server on 127.0.0.1 that ends with the test. */
export async function openOrigin(
  t: Test,
  answer: RequestListener,
  tls?: { key: string; cert: string }
): Promise<Origin> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const { port } = server.address() as AddressInfo
  return { port, asked, open: () => sockets.size }
}

export interface Manners {
  readonly ranges?: boolean
  /** False: bodies come in chunks, without their size. */
  readonly sized?: boolean
  readonly head?: boolean
}

/** Serves images by path, with the manners of one kind of web server. */
export function imagesOf(
  images: ReadonlyMap<string, Buffer>,
  { ranges = true, sized = true, head = true }: Manners = {}
): RequestListener {
  return ({ method, url = '', headers }, response) => {
    const bytes = images.get(url)
    if (bytes === undefined) return response.writeHead(404).end('no such image')
    if (method === 'HEAD' && !head) return response.writeHead(405).end()
    const wanted = ranges ? /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') : null
    const first = Number(wanted?.[1] ?? 0)
    const last = Math.min(Number(wanted?.[2] ?? bytes.length - 1), bytes.length - 1)
    if (wanted !== null && first >= bytes.length) {
      return response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
    }
    const part = bytes.subarray(first, last + 1)
    if (sized) response.setHeader('content-length', part.length)
    if (wanted !== null) {
      response.setHeader('content-range', `bytes ${first}-${last}/${bytes.length}`)
    }
    response.writeHead(wanted === null ? 200 : 206)
    if (method === 'HEAD') return response.end()
    Readable.from(slices(part))
      .on('error', () => {})
      .pipe(response)
    return response
  }
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

export async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
