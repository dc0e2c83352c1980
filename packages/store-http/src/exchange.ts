import type { Readable } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { createConnector, type Destination } from './connect.ts'

export type Method = 'GET' | 'HEAD'

/** What an origin answered; `close` before the body was read to its end gives up the connection. */
export interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Readable
  close(): void
}

/**
 * One request on a connection of its own: each call is resolved and checked by itself, and no state
 * of one location can reach another. The fragment of the URL is not sent (RFC 9110 section 4.2.4).
 */
export async function exchange(
  url: URL,
  method: Method,
  headers: Readonly<Record<string, string>>,
  destination: Destination
): Promise<Answer> {
  const client = new Client(url.origin, {
    connect: createConnector(destination),
    // No connection is used twice.
    pipelining: 0,
    // The deadline of the visit and the pace of the body bound every wait.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16 * 1024
  })
  const leave = () => void client.destroy().catch(() => {})
  try {
    const {
      statusCode,
      headers: got,
      body
    } = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'tank', ...headers },
      signal: destination.signal
    })
    body.on('error', () => {}).on('close', leave)
    const close = () => {
      body.destroy()
      leave()
    }
    return { status: statusCode, headers: got, body, close }
  } catch (error) {
    leave()
    throw error
  }
}
