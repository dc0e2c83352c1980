import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { pipeline } from 'node:stream'

export interface Storm {
  readonly port: number
  readonly refused: number
  readonly passed: number
  close(): Promise<void>
}

/** Passes every n-th request on and answers the others as an overloaded server does. */
export async function openStorm(port: number, every: number): Promise<Storm> {
  const counts = { refused: 0, passed: 0 }
  const server = createServer((request, response) => {
    if ((counts.refused + counts.passed + 1) % every !== 0) {
      counts.refused += 1
      request.resume()
      request.on('end', () => {
        response.writeHead(503, { 'content-type': 'application/xml' })
        const text = '<Error><Code>SlowDown</Code><Message>Please reduce</Message></Error>'
        response.end(request.method === 'HEAD' ? undefined : text)
      })
      return
    }
    counts.passed += 1
    const { method, url, headers } = request
    const onward = forward({ host: '127.0.0.1', port, method, path: url, headers })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
      pipeline(answer, response, () => {})
    })
    onward.on('error', () => response.destroy())
    pipeline(request, onward, () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    get refused() {
      return counts.refused
    },
    get passed() {
      return counts.passed
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
