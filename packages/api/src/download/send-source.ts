import type { Writable } from 'node:stream'
import { disconnectSignal, readerStallGuard } from '@tank/service'
import type { FastifyReply } from 'fastify'

/** Bytes that are ready to be sent. */
export interface DataReader {
  /**
   * Writes everything to `to` and does not end it. `pump`: `to` is done with a block when it calls
   * back. After a rejection `to` may hold a part.
   */
  send(to: Writable, signal: AbortSignal, options: { readonly pump: boolean }): Promise<void>
}

/**
 * Writes a head and then the bytes of an image to the client. Once the head is out an error can only
 * be told by cutting the connection: a client never takes a part for the whole (DWN12).
 */
export async function sendSource(
  reply: FastifyReply,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  reader: DataReader,
  stallSeconds: number
): Promise<void> {
  const { raw } = reply
  reply.hijack()
  const guard = readerStallGuard(reply, stallSeconds)
  try {
    raw.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers })
    const signal = AbortSignal.any([guard.signal, disconnectSignal(reply)])
    await reader.send(raw, signal, { pump: true })
    raw.end()
  } catch (err) {
    raw.destroy()
    const log = reply.request.log
    if (guard.signal.aborted || reply.request.raw.destroyed || raw.destroyed)
      log.info({ err }, 'download ended early')
    else log.error({ err }, 'download failed')
  } finally {
    guard.stop()
  }
}
