import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Test } from 'tap'

/** What a server does to its callers instead of answering. */
export type Mood =
  | 'well'
  | 'hangs'
  | 'fails'
  | 'babbles'
  | 'floods'
  | 'drips'
  | 'cuts'
  | 'redirects'

/** A server on loopback that can be in a bad mood. */
export class FakeServer {
  mood: Mood = 'well'
  readonly requests: string[] = []
  readonly #server: Server
  readonly url: string

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async open(
    t: Test,
    answer: (request: IncomingMessage, response: ServerResponse) => unknown
  ): Promise<FakeServer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const fake = new FakeServer(server, `http://127.0.0.1:${address.port}`)
    server.on('request', (request, response) => {
      fake.requests.push(`${request.method} ${request.url}`)
      if (!fake.#isUnwell(request, response)) void answer(request, response)
    })
    t.teardown(() => fake.close())
    return fake
  }

  /** Requests whose method and path begin so. */
  count(start: string): number {
    return this.requests.filter((each) => each.startsWith(start)).length
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #isUnwell(request: IncomingMessage, response: ServerResponse): boolean {
    switch (this.mood) {
      case 'well':
        return false
      case 'hangs':
        return true
      case 'cuts':
        request.socket.destroy()
        return true
      case 'fails':
        response.writeHead(500).end('{"error":"no"}')
        return true
      case 'babbles':
        response.writeHead(200, { 'content-type': 'application/json' }).end('<html>')
        return true
      case 'redirects':
        response.writeHead(302, { location: '/elsewhere' }).end()
        return true
      case 'floods': {
        // what it says is right, only far too long
        const end = response.end.bind(response)
        response.on('error', () => {})
        const pad = ' '.repeat(4 << 20)
        Object.assign(response, { end: (text: string) => end(`${pad}${text}`) })
        return false
      }
      case 'drips': {
        response.writeHead(200)
        const drops = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(drops))
        return true
      }
    }
  }
}

export const BAD_MOODS: readonly Mood[] = [
  'hangs',
  'fails',
  'babbles',
  'floods',
  'drips',
  'cuts',
  'redirects'
]
