import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { FakeChase } from './fake-chase.ts'

/** What a token of the Identity API says it is good for. */
export interface FakeGrant {
  /** Milliseconds. */
  lifetime: number
  catalog: object[]
}

/** An imitation of the Identity API v3: one user, one application credential, no real checks. */
export class FakeIdentity {
  readonly port: number
  readonly grant: FakeGrant
  /** Bodies of the requests for tokens. */
  readonly requests: unknown[] = []
  readonly #server: Server

  private constructor(server: Server, port: number, chase: FakeChase) {
    this.#server = server
    this.port = port
    this.grant = { lifetime: 3_600_000, catalog: [objectStore('one', chase.port)] }
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      if (request.url !== '/v3/auth/tokens') {
        response.writeHead(404).end()
        return
      }
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      this.requests.push(body)
      if (!JSON.stringify(body).includes('right-secret')) {
        response.writeHead(401).end(`wrong: ${JSON.stringify(body)}`)
        return
      }
      const token = `gAAAA${randomUUID()}`
      chase.tokens.add(token)
      const { lifetime, catalog } = this.grant
      // A clock that is years away from ours must not matter.
      const issued = Date.parse('2001-01-01T00:00:00Z')
      response.writeHead(201, { 'x-subject-token': token }).end(
        JSON.stringify({
          token: {
            issued_at: new Date(issued).toISOString(),
            expires_at: new Date(issued + lifetime).toISOString(),
            catalog
          }
        })
      )
    })
  }

  static async open(chase: FakeChase): Promise<FakeIdentity> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return new FakeIdentity(server, address.port, chase)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** The entry of an object store in a catalogue; `port` of its public address, nothing at others. */
export function objectStore(region: string, port: number): object {
  const at = (kind: string, port: number) => ({
    id: randomUUID(),
    interface: kind,
    region,
    region_id: region,
    url: `http://127.0.0.1:${port}/v1/AUTH_test`
  })
  return { type: 'object-store', name: 'swift', endpoints: [at('public', port), at('admin', 1)] }
}
