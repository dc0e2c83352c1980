import { type FakeServer, sendJson, serve, type Teardown } from './fake-server.ts'

export interface FakeIdentity extends FakeServer {
  /** Entries of the catalogue (Identity API v3). */
  catalog: object[]
  /** Seconds that a token lives. */
  lifetime: number
  /** Answers instead with this status. */
  status: number | undefined
  /** Bodies of the requests for a token. */
  asked(): unknown[]
}

/** An identity service that gives the tokens `token-1`, `token-2`, … to everyone. */
export async function serveIdentity(t: Teardown): Promise<FakeIdentity> {
  const server = await serve(t, (_request, response, count) => {
    if (identity.status !== undefined) {
      return sendJson(response, identity.status, { error: { message: 'no such user' } })
    }
    const issued = Date.now() - 7 * 86_400_000 // a clock that is wrong
    const token = {
      issued_at: new Date(issued).toISOString(),
      expires_at: new Date(issued + identity.lifetime * 1_000).toISOString(),
      catalog: identity.catalog
    }
    return sendJson(response, 201, { token }, { 'x-subject-token': `token-${count}` })
  })
  const identity: FakeIdentity = Object.assign(server, {
    catalog: [],
    lifetime: 3_600,
    status: undefined,
    asked: () => server.requests.map(({ body }) => JSON.parse(String(body)))
  })
  return identity
}

export function imageService(...endpoints: [url: string, region: string, kind: string][]): object {
  return {
    type: 'image',
    endpoints: endpoints.map(([url, region_id, kind]) => ({ url, region_id, interface: kind }))
  }
}
