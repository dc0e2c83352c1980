import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import type { Fault } from './options.ts'

/** What a link does to the connections through it. */
export type LinkMode =
  | { readonly kind: 'pass' }
  /** Closes connections before a byte. */
  | { readonly kind: 'refuse' }
  /** Takes everything and never answers. */
  | { readonly kind: 'hang' }
  /** Breaks a connection off after so many bytes of answers. */
  | { readonly kind: 'cut'; readonly bytes: number }
  /** Breaks a connection off after so many bytes of requests. */
  | { readonly kind: 'reset'; readonly bytes: number }
  /** So many bytes a second each way. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }

const PASS: LinkMode = { kind: 'pass' }

/**
 * A TCP connection to a backend that can be made to fail: stores that reach their backend over the
 * network are tested through it.
 */
export class FaultyLink {
  readonly port: number
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #sockets = new Set<Socket>()
  #mode: LinkMode = PASS

  private constructor(server: Server, port: number, target: { host: string; port: number }) {
    this.#server = server
    this.port = port
    this.#target = target
    server.on('connection', (socket: Socket) => this.#accept(socket))
  }

  /** Listens on a free port of 127.0.0.1 and leads to `host:port`. */
  static async open(port: number, host = '127.0.0.1'): Promise<FaultyLink> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return new FaultyLink(server, address.port, { host, port })
  }

  /** Ends the connections that are open; new ones behave as `mode` says. */
  set(mode: LinkMode): void {
    this.#mode = mode
    for (const socket of this.#sockets) breakOff(socket)
  }

  /** The fault that makes the link behave like this while it lasts. */
  fault(mode: LinkMode): Fault {
    return async () => {
      this.set(mode)
      return () => this.set(PASS)
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.set(PASS)
    await closed
  }

  #accept(near: Socket): void {
    const mode = this.#mode
    this.#keep(near)
    if (mode.kind === 'refuse') {
      breakOff(near)
      return
    }
    if (mode.kind === 'hang') {
      near.resume()
      return
    }
    const far = this.#keep(connect({ ...this.#target, allowHalfOpen: true }))
    const end = () => {
      breakOff(near)
      breakOff(far)
    }
    near.on('error', end)
    far.on('error', end)
    // what the backend sent before it closed may still be on its way through here
    near.on('close', () => far.destroy())
    join(near, far, mode.kind === 'reset' ? countdown(mode.bytes, end) : pace(mode))
    join(far, near, mode.kind === 'cut' ? countdown(mode.bytes, end) : pace(mode))
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

/** A socket that is ending cannot be reset any more: Node would lose its handle. */
function breakOff(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}

function join(from: Socket, to: Socket, through: Transform | undefined): void {
  if (through === undefined) from.pipe(to)
  else from.pipe(through).pipe(to)
}

/** Lets so many bytes pass, then ends all. */
function countdown(bytes: number, end: () => void): Transform {
  let left = bytes
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      const part = chunk.subarray(0, left)
      left -= part.length
      this.push(part)
      // nothing more passes, not even the end
      if (left === 0) setImmediate(end)
      else callback()
    }
  })
}

function pace(mode: LinkMode): Transform | undefined {
  if (mode.kind !== 'slow') return undefined
  const { bytesPerSecond } = mode
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      setTimeout(() => callback(null, chunk), (chunk.length / bytesPerSecond) * 1000)
    }
  })
}
