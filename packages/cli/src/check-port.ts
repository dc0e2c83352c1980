import { once } from 'node:events'
import { createServer } from 'node:net'

/** Fails when a port cannot be listened on: better told before a database has been made. */
export async function checkPort(host: string, port: number): Promise<void> {
  if (port === 0) return
  const probe = createServer()
  probe.listen({ host, port, exclusive: true })
  await once(probe, 'listening')
  probe.close()
  await once(probe, 'close')
}
