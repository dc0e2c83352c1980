import type { Readable } from 'node:stream'

/** More than the longest record of an image. */
const LARGEST = 16 << 20

/** A body as text. Rejects when it is larger than the record of any image. */
export async function readSmall(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    const part = Buffer.from(chunk)
    bytes += part.length
    if (bytes > LARGEST) throw new Error(`the answer has more than ${LARGEST} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString()
}
