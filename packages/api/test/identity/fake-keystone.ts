import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { FakeServer } from './fake-server.ts'
import type { Clock } from './who-app.ts'

export const PASSWORD = 'canary-password-3f9a'

interface Subject {
  readonly expiresAt: number
  readonly body: object
}

/** An imitation of the Identity API v3: logins by password, and what it says about tokens. */
export class FakeKeystone {
  readonly server: FakeServer
  readonly #clock: Clock
  readonly subjects = new Map<string, Subject>()
  /** Our tokens that are accepted. */
  readonly own = new Set<string>()
  /** Bodies of the requests for tokens. */
  readonly logins: unknown[] = []
  /** In place of the usual status of an answer about a token. */
  status: number | undefined
  /** In place of the usual answer about a token. */
  body: object | undefined
  lifetimeSeconds = 3600
  /** That goes with our tokens. */
  catalog: object | undefined
  /** Our token of the last question. */
  used = ''

  private constructor(server: FakeServer, clock: Clock) {
    this.server = server
    this.#clock = clock
  }

  static async open(t: Test, clock: Clock): Promise<FakeKeystone> {
    const server = await FakeServer.open(t, (request, response) =>
      request.method === 'POST'
        ? keystone.#login(request, response)
        : keystone.#validate(request, response)
    )
    const keystone: FakeKeystone = new FakeKeystone(server, clock)
    return keystone
  }

  /** Questions about tokens. */
  get questions(): number {
    return this.server.count('GET /v3/auth/tokens?nocatalog=1')
  }

  /** A token of a user, member of P1 unless `token` says something else. */
  give(token: object = {}, seconds = 3600): string {
    const id = `gAAAAA${randomUUID()}`
    const expiresAt = this.#clock.ms + seconds * 1000
    const body = {
      methods: ['password'],
      user: { id: 'ann', name: 'Ann', domain: { id: 'default', name: 'Default' } },
      project: { id: 'P1', name: 'one', domain: { id: 'D1', name: 'D' } },
      roles: [{ id: 'r1', name: 'member' }],
      expires_at: new Date(expiresAt).toISOString(),
      ...token
    }
    this.subjects.set(id, { expiresAt, body })
    return id
  }

  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    this.logins.push(JSON.parse(text))
    if (!text.includes(PASSWORD)) {
      response.writeHead(401).end(`{"error":{"message":${JSON.stringify(text)}}}`)
      return
    }
    const token = `own-${randomUUID()}`
    this.own.add(token)
    // another clock than ours
    const issued = Date.parse('2001-01-01T00:00:00Z')
    response.writeHead(201, { 'x-subject-token': token }).end(
      JSON.stringify({
        token: {
          catalog: this.catalog,
          issued_at: new Date(issued).toISOString(),
          expires_at: new Date(issued + this.lifetimeSeconds * 1000).toISOString()
        }
      })
    )
  }

  #validate(request: IncomingMessage, response: ServerResponse): void {
    const say = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    this.used = String(request.headers['x-auth-token'])
    if (!this.own.has(this.used)) say(401, {})
    else if (this.status !== undefined) say(this.status, {})
    else if (this.body !== undefined) say(200, this.body)
    else {
      const subject = this.subjects.get(String(request.headers['x-subject-token']))
      const late = request.url?.includes('allow_expired=1') ?? false
      if (subject === undefined || (subject.expiresAt <= this.#clock.ms && !late)) say(404, {})
      else say(200, { token: subject.body })
    }
  }
}
