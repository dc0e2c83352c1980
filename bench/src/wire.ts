import type { Hash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { MIB, type Pattern } from './pattern.ts'

/** Where a server listens, and what every request to it carries. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** Path before every path. */
  readonly prefix: string
  readonly headers: Readonly<Record<string, string>>
}

export function toEndpoint(url: string, headers: Readonly<Record<string, string>>): Endpoint {
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:') throw new Error(`only plain http can be measured: ${url}`)
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || 80),
    prefix: parsed.pathname.replace(/\/+$/, ''),
    headers
  }
}

export function requestHead(
  endpoint: Endpoint,
  method: string,
  path: string,
  more: Readonly<Record<string, string>> = {}
): Buffer {
  const lines = [`${method} ${endpoint.prefix}${path} HTTP/1.1`]
  const headers = { host: `${endpoint.host}:${endpoint.port}`, ...endpoint.headers, ...more }
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

/** Follows one answer after the other on a connection, just far enough to see where it ends. */
export class AnswerReader {
  status = 0
  /** Bytes of the body so far. */
  length = 0
  closes = false
  #head = ''
  #expected: number | undefined
  #chunked = false
  #tail = ''

  /** Takes bytes; true when the answer is complete. `onBody` sees the body's bytes. */
  feed(chunk: Buffer, onBody?: (bytes: Buffer) => void): boolean {
    let body = chunk
    if (this.status === 0) {
      this.#head += chunk.toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end === -1) return false
      const used = end + 4 - (this.#head.length - chunk.length)
      this.#readHead(this.#head.slice(0, end))
      if (this.status < 200) {
        this.reset()
        return used < chunk.length ? this.feed(chunk.subarray(used), onBody) : false
      }
      body = chunk.subarray(used)
    }
    this.length += body.length
    if (body.length > 0) onBody?.(body)
    if (!this.#chunked) return this.length >= (this.#expected ?? Number.POSITIVE_INFINITY)
    this.#tail = (this.#tail + body.subarray(-8).toString('latin1')).slice(-8)
    return this.#tail.endsWith('0\r\n\r\n')
  }

  reset(): void {
    this.status = 0
    this.length = 0
    this.#head = ''
    this.#expected = undefined
    this.#chunked = false
    this.#tail = ''
  }

  #readHead(head: string): void {
    this.status = Number(head.slice(9, 12))
    const length = /^content-length:\s*(\d+)/im.exec(head)?.[1]
    this.#chunked = length === undefined && /^transfer-encoding:.*chunked/im.test(head)
    this.closes = /^connection:\s*close/im.test(head)
    if (length !== undefined) this.#expected = Number(length)
    else if (this.status === 204 || this.status === 304) this.#expected = 0
  }
}

export interface Exchange {
  readonly seconds: number
  readonly status: number
  /** Bytes of the body that came. */
  readonly bytes: number
}

const WRITE = MIB
const READ = MIB
const IN_FLIGHT = 4 * MIB
const SILENCE_MS = 120_000

interface Link {
  readonly socket: Socket
  readonly done: Promise<Exchange>
  begin(): void
}

/** Connects and follows one answer; nothing is timed before `begin`. */
async function openLink(endpoint: Endpoint, onBody?: (bytes: Buffer) => void): Promise<Link> {
  const reader = new AnswerReader()
  let began = 0
  let settle: (error?: Error) => void = () => undefined
  const buffer = Buffer.allocUnsafe(READ)
  const done = new Promise<Exchange>((resolve, reject) => {
    settle = (error) => {
      socket.destroy()
      if (error !== undefined && reader.status === 0) return reject(error)
      const seconds = (performance.now() - began) / 1_000
      return resolve({ seconds, status: reader.status, bytes: reader.length })
    }
  })
  const socket = connect({
    host: endpoint.host,
    port: endpoint.port,
    noDelay: true,
    onread: {
      buffer,
      callback(size, bytes) {
        if (reader.feed(Buffer.from(bytes.buffer, bytes.byteOffset, size), onBody)) settle()
        return true
      }
    }
  })
  socket.setTimeout(SILENCE_MS, () => settle(new Error('the server is silent')))
  socket.on('end', () => settle(new Error('the server closed the connection')))
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.on('error', (error) => {
      reject(error)
      // An answer may still lie in the socket of a server that stopped reading.
      setTimeout(settle, 200, error)
    })
  })
  done.catch(() => undefined)
  await connected
  return {
    socket,
    done,
    begin() {
      began = performance.now()
    }
  }
}

/** Sends the first `length` bytes of the pattern; timed from the first byte to the whole answer. */
export async function putPattern(
  endpoint: Endpoint,
  path: string,
  pattern: Pattern,
  length: number
): Promise<Exchange> {
  const link = await openLink(endpoint)
  const { socket } = link
  let ended = false
  const ending = link.done.finally(() => {
    ended = true
  })
  ending.catch(() => undefined)
  link.begin()
  socket.write(
    requestHead(endpoint, 'PUT', path, {
      'content-type': 'application/octet-stream',
      'content-length': String(length)
    })
  )
  for (let sent = 0; sent < length && !ended; ) {
    const piece = pattern.slice(sent, Math.min(WRITE, length - sent))
    sent += piece.length
    socket.write(piece)
    if (socket.writableLength < IN_FLIGHT) continue
    await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), ending])
  }
  return ending
}

/** Reads a whole answer and throws the bytes away; timed from the request to the last byte. */
export async function getBytes(endpoint: Endpoint, path: string, hash?: Hash): Promise<Exchange> {
  const link = await openLink(endpoint, hash && ((bytes) => hash.update(bytes)))
  link.begin()
  link.socket.write(requestHead(endpoint, 'GET', path))
  return link.done
}
