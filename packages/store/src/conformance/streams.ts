import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'

export const MiB = 1024 * 1024

/** Bytes that differ at every place, so that an exchanged or repeated block is noticed. */
export function pattern(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let state = 0x9e3779b9
  let at = 0
  for (; at + 4 <= size; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes.writeInt32LE(state, at)
  }
  for (; at < size; at += 1) bytes[at] = (state >>> (at % 24)) & 0xff
  return bytes
}

export interface SourceOptions {
  /** Bytes a chunk. */
  readonly chunk?: number
  /** What the source does after its last byte, instead of ending. */
  readonly ending?: 'stall' | Error
}

/** A body that sends these bytes. */
export function source(bytes: Buffer, { chunk = 65_536, ending }: SourceOptions = {}): Readable {
  let at = 0
  return new Readable({
    read() {
      if (at < bytes.length) {
        const part = bytes.subarray(at, at + chunk)
        at += part.length
        this.push(part)
      } else if (ending === undefined) this.push(null)
      else if (ending instanceof Error) this.destroy(ending)
    }
  })
}

export async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What is there first, without making the body flow. */
export async function firstBytes(body: Readable): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = body.read()
    if (bytes !== null) return bytes
    await once(body, 'readable')
  }
}

export interface Sink extends Writable {
  /** A copy of what was written: the writer may use its blocks again. */
  taken(): Buffer
}

/** A receiver that calls back when `pace` lets it. */
export function sink(pace: (written: number) => Promise<void> | void = () => {}): Sink {
  const chunks: Buffer[] = []
  let written = 0
  const writable = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(Buffer.from(chunk))
      written += chunk.length
      Promise.resolve(pace(written)).then(() => callback(), callback)
    }
  })
  return Object.assign(writable, { taken: () => Buffer.concat(chunks) })
}
