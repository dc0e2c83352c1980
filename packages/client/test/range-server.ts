import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type FakeServer, sendJson, serve, type Teardown } from './fake-server.ts'

export const ID = '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01'

export interface Asked {
  readonly from: number
  readonly to: number
  readonly response: ServerResponse
  /** Sends the bytes that were asked for; another image's when they are given. */
  send(bytes?: Buffer): void
}

export interface RangeServer extends FakeServer {
  /** The bytes of the image from now on. */
  bytes: Buffer
  /** Each `from-to` that was asked for, `to` not among them. */
  readonly asked: string[]
  /** Answers in place of `send`. */
  answer: ((asked: Asked) => unknown) | undefined
}

/** An image that can be had in parts. */
export async function serveRanges(t: Teardown, bytes: Buffer): Promise<RangeServer> {
  const asked: string[] = []
  const server = await serve(t, (request, response) => {
    const image = ranges.bytes
    if (!request.url.endsWith('/file')) return sendJson(response, 200, recordOf(image))
    const [, first, last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const from = Number(first ?? 0)
    const to = last === '' ? image.length : Number(last) + 1
    asked.push(`${from}-${to}`)
    const send = (other = image) => {
      const range = `bytes ${from}-${to - 1}/${image.length}`
      if (first === undefined) response.writeHead(200, { 'content-length': image.length })
      else response.writeHead(206, { 'content-range': range, 'content-length': to - from })
      response.end(other.subarray(from, to))
    }
    if (ranges.answer === undefined) return send()
    return ranges.answer({ from, to, response, send })
  })
  const ranges: RangeServer = Object.assign(server, { bytes, asked, answer: undefined })
  return ranges
}

function recordOf(bytes: Buffer): object {
  return {
    id: ID,
    status: 'active',
    size: bytes.length,
    os_hash_algo: 'sha256',
    os_hash_value: createHash('sha256').update(bytes).digest('hex')
  }
}
