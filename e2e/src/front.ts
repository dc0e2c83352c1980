import { createServer, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { freePort } from './tank.ts'

/**
 * A server in front of another; `answer` may answer by itself, or say which path of the other is meant.
 * Requests keep their `Host`.
 */
export async function openFront(
  t: Test,
  target: string,
  answer: (
    path: string,
    outgoing: ServerResponse,
    method: string
  ) => string | undefined | Promise<string | undefined>,
  more: OutgoingHttpHeaders = {}
): Promise<string> {
  const server = createServer(async (incoming, outgoing) => {
    const { method = 'GET', headers } = incoming
    const path = await answer(incoming.url ?? '', outgoing, method)
    if (path === undefined) return
    const onward = request(new URL(path, target), { method, headers: { ...headers, ...more } })
    onward.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}
