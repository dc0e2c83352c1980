import { pipeline } from 'node:stream/promises'
import { readerStallGuard } from '@tank/service'
import type { ImageSource } from '@tank/store'
import type { FastifyReply } from 'fastify'

/**
 * Writes a head and then the bytes of a source to the client. Once the head is out an error can only
 * be told by cutting the connection: a client never takes a part for the whole (DWN12).
 */
export async function sendSource(
  reply: FastifyReply,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  source: ImageSource,
  stallSeconds: number
): Promise<void> {
  const { raw } = reply
  reply.hijack()
  const guard = readerStallGuard(reply, stallSeconds)
  try {
    raw.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers })
    if (source.pump === undefined) await pipeline(source.body, raw, { signal: guard.signal })
    else {
      await source.pump(raw, { signal: guard.signal })
      raw.end()
    }
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
