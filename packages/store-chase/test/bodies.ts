import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

/** Bytes that differ at every place, so that an exchanged or repeated segment is noticed. */
export function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0, block = 0; at < size; block += 1) {
    at += createHash('sha512').update(String(block)).digest().copy(bytes, at)
  }
  return bytes
}

export function source(bytes: Buffer, chunk = 50_000): Readable {
  let at = 0
  return new Readable({
    read() {
      const part = bytes.subarray(at, at + chunk)
      at += part.length
      this.push(part.length === 0 ? null : part)
    }
  })
}

export async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
