/** Services that answer just enough to see what a command asks them. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'

type Handler = (request: IncomingMessage, reply: ServerResponse) => unknown

/** Where something answers by `handler`. */
export async function serve(t: Test, handler: Handler): Promise<string> {
  const server = createServer((request, reply) => void handler(request, reply))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An image service that notes the tokens it is shown. */
export async function imageService(t: Test, known = /./) {
  const tokens: unknown[] = []
  const url = await serve(t, ({ headers, url: path }, reply) => {
    const token = String(headers['x-auth-token'] ?? '')
    tokens.push(`${path?.split('?')[0]} ${token}`)
    reply.writeHead(known.test(token) ? 200 : 401).end('{"images": []}')
  })
  return { url, tokens }
}

/** An identity service that takes one password or secret, and notes what it is asked. */
export async function identityService(t: Test, images: string) {
  const asked: unknown[] = []
  const url = await serve(t, async (request, reply) => {
    const body = await json(request)
    asked.push(body)
    const endpoints = [{ url: `${images}/v2`, interface: 'public', region_id: 'R' }]
    const catalog = images === '' ? [] : [{ type: 'image', endpoints }]
    const isRight = JSON.stringify(body).includes('"right"')
    const headers = { 'x-subject-token': 'issued', 'content-type': 'application/json' }
    reply.writeHead(isRight ? 201 : 401, headers)
    reply.end(JSON.stringify(isRight ? { token: { catalog } } : { error: { message: 'No.' } }))
  })
  return { url, asked }
}
