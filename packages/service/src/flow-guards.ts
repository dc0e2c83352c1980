import type { Socket } from 'node:net'
import { TankError } from '@tank/model'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How slowly a client may send a body. */
export interface BodyRate {
  /** Average that every window has to reach; 0 turns the guard off. */
  readonly bytesPerSecond: number
  readonly windowSeconds: number
  /** Seconds at the start in which nothing is measured. */
  readonly graceSeconds: number
}

export const DEFAULT_BODY_RATE: BodyRate = {
  bytesPerSecond: 65536,
  windowSeconds: 60,
  graceSeconds: 30
}

export interface FlowGuard {
  /** Aborts with a `TankError` as its reason when the client is too slow. */
  readonly signal: AbortSignal
  stop(): void
}

const ticking = new Set<() => void>()
let ticker: NodeJS.Timeout | undefined

/** One timer for every guarded body of the process. */
function everySecond(tick: () => void): () => void {
  ticking.add(tick)
  ticker ??= setInterval(() => {
    for (const each of ticking) each()
  }, 1000).unref()
  return () => {
    ticking.delete(tick)
    if (ticking.size === 0 && ticker !== undefined) {
      clearInterval(ticker)
      ticker = undefined
    }
  }
}

/**
 * Watches how fast the body of a request arrives. Seconds in which data waited for the server to
 * read it do not count: a slow store is not the client's fault.
 */
export function bodyRateGuard(request: FastifyRequest, rate: Partial<BodyRate> = {}): FlowGuard {
  const { bytesPerSecond, windowSeconds, graceSeconds } = { ...DEFAULT_BODY_RATE, ...rate }
  const controller = new AbortController()
  const { raw } = request
  if (bytesPerSecond === 0 || raw.complete !== false)
    return { signal: controller.signal, stop: () => {} }
  const socket = raw.socket
  const samples: number[] = []
  let sum = 0
  let grace = graceSeconds
  let last = socket.bytesRead
  const tick = () => {
    const bytes = socket.bytesRead - last
    last = socket.bytesRead
    if (grace > 0) {
      grace--
      return
    }
    if (raw.readableLength > 0) return
    samples.push(bytes)
    sum += bytes
    if (samples.length < windowSeconds) return
    if (sum < bytesPerSecond * windowSeconds) {
      stop()
      controller.abort(new TankError('REQUEST_TIMEOUT', 'The request body arrived too slowly.'))
      return
    }
    sum -= samples.shift() ?? 0
  }
  const release = everySecond(tick)
  const stop = () => {
    release()
    raw.off('end', stop)
    raw.off('close', stop)
  }
  raw.once('end', stop)
  raw.once('close', stop)
  return { signal: controller.signal, stop }
}

/**
 * Watches a client that reads an answer: when nothing could be written to it for `stallSeconds`
 * (0 = off) the signal aborts and the connection is closed. Waiting for the server's own store does
 * not count.
 */
export function readerStallGuard(reply: FastifyReply, stallSeconds = 60): FlowGuard {
  const controller = new AbortController()
  const { raw } = reply
  const socket: Socket | null = raw.socket
  if (stallSeconds === 0 || socket === null) return { signal: controller.signal, stop: () => {} }
  // Node's socket timer restarts whenever the system takes bytes, also in mid-write
  const onTimeout = () => {
    if (socket.writableLength === 0) {
      socket.setTimeout(stallSeconds * 1000)
      return
    }
    stop()
    controller.abort(new TankError('REQUEST_TIMEOUT', 'The client stopped reading.'))
    socket.destroy()
  }
  const stop = () => {
    raw.off('timeout', onTimeout)
    // a finished answer has left its connection to the keep-alive timer
    if (!raw.writableFinished) socket.setTimeout(0)
  }
  raw.on('timeout', onTimeout)
  socket.setTimeout(stallSeconds * 1000)
  return { signal: controller.signal, stop }
}
