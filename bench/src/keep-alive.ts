import { connect } from 'node:net'
import { AnswerReader, type Endpoint } from './wire.ts'

export interface Rate {
  readonly requests: number
  readonly perSecond: number
  /** milliseconds */
  readonly p50: number
  readonly p99: number
  /** answers with another status than the expected one */
  readonly bad: number
}

export interface Load {
  readonly endpoint: Endpoint
  /** The bytes of a whole request. */
  readonly request: Buffer
  readonly connections: number
  readonly status: number
  /** Ends after so many requests, or after so many seconds. */
  readonly requests?: number
  readonly seconds?: number
}

/** Sends one request after the other on each connection and waits for each answer. */
export async function runLoad(load: Load): Promise<Rate> {
  const limit = load.requests ?? Number.POSITIVE_INFINITY
  const until = performance.now() + (load.seconds ?? Number.POSITIVE_INFINITY) * 1_000
  const latencies: number[] = []
  let begun = 0
  let bad = 0
  const next = () => {
    if (begun >= limit || performance.now() >= until) return false
    begun++
    return true
  }
  const note = (latency: number, status: number) => {
    latencies.push(latency)
    if (status !== load.status) bad++
  }
  const start = performance.now()
  const connections = Math.min(load.connections, limit)
  await Promise.all(Array.from({ length: connections }, () => runConnection(load, next, note)))
  const seconds = (performance.now() - start) / 1_000
  return { ...toRate(latencies, seconds), bad }
}

function toRate(latencies: number[], seconds: number): Omit<Rate, 'bad'> {
  const sorted = latencies.sort((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, share * sorted.length) | 0] ?? 0
  return {
    requests: sorted.length,
    perSecond: sorted.length / seconds,
    p50: at(0.5),
    p99: at(0.99)
  }
}

function runConnection(
  load: Load,
  next: () => boolean,
  note: (latency: number, status: number) => void
): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new AnswerReader()
    let sent = 0
    const socket = connect({
      host: load.endpoint.host,
      port: load.endpoint.port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(65_536),
        callback(size, bytes) {
          if (!reader.feed(Buffer.from(bytes.buffer, bytes.byteOffset, size))) return true
          note(performance.now() - sent, reader.status)
          const { closes } = reader
          reader.reset()
          if (closes) finish(runConnection(load, next, note))
          else send()
          return true
        }
      }
    })
    const finish = (rest: Promise<void>) => {
      socket.destroy()
      rest.then(resolve, reject)
    }
    const send = () => {
      if (!next()) {
        finish(Promise.resolve())
        return
      }
      sent = performance.now()
      socket.write(load.request)
    }
    socket.setTimeout(60_000, () => reject(new Error('no answer in 60 s')))
    socket.once('connect', send)
    socket.on('error', reject)
    socket.on('end', () => reject(new Error('the server closed a kept connection')))
  })
}
