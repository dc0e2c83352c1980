import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'

export interface ByteCount {
  /** Undefined when the reader took the bytes in a way that cannot be watched. */
  readonly bytes: number | undefined
  stop(): void
}

/**
 * Counts what passes to the reader of a stream without standing in its way: a Transform in front
 * of every put costs more than the count is worth. It starts with the reader's own 'data' listener
 * (pipe and pipeline have one) and never makes the stream flow by itself.
 */
export function countBytes(body: Readable, onBytes: (bytes: number) => void): ByteCount {
  let bytes = 0
  let watching = false
  const count = (chunk: Uint8Array | string) => {
    bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    onBytes(bytes)
  }
  const watch = (event: string | symbol) => {
    if (event !== 'data') return
    watching = true
    body.off('newListener', watch)
    // Readable's own `on` would start the stream; EventEmitter's only adds the listener.
    EventEmitter.prototype.on.call(body, 'data', count)
  }
  body.on('newListener', watch)
  return {
    get bytes() {
      return watching ? bytes : undefined
    },
    stop() {
      body.off('newListener', watch)
      body.off('data', count)
    }
  }
}
