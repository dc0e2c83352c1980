import t from 'tap'
import { createRegistryClient } from '../src/index.ts'
import { reset, sendJson, sendProblem, serve } from './fake-server.ts'

const TOKEN = {
  id: '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01',
  name: 'ci',
  digest: 'ab'.repeat(32),
  user: null,
  project: 'P',
  domain: null,
  roles: ['member'],
  expires_at: null
}

t.test('speaks the routes of tokens', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.method === 'DELETE') return response.writeHead(204).end()
    if (request.url.endsWith('/find')) return sendJson(response, 200, { token: null })
    if (request.method === 'GET') return sendJson(response, 200, { tokens: [], next: 'n' })
    return sendJson(response, 201, { id: TOKEN.id, state: 'valid' })
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  t.match(await client.createToken(TOKEN), { state: 'valid' })
  t.same(await client.listTokens(), { tokens: [], next: 'n' })
  await client.listTokens({ limit: 5, marker: 'm', revoked: true })
  t.equal(await client.findToken(TOKEN.digest), null)
  await client.revokeToken('a@b')
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url}`),
    [
      'POST /v1/tokens',
      'GET /v1/tokens',
      'GET /v1/tokens?limit=5&marker=m&revoked=true',
      'POST /v1/tokens/find',
      'DELETE /v1/tokens/a%40b'
    ]
  )
  t.same(JSON.parse(String(server.requests[0]?.body)), TOKEN)
  t.same(JSON.parse(String(server.requests[3]?.body)), { digest: TOKEN.digest })
  for (const { headers } of server.requests) t.equal(headers['tank-scope'], 'all')
})

t.test(
  'a revocation whose answer was lost has happened; an unknown token is an error',
  async (t) => {
    const server = await serve(t, (_request, response, count) =>
      count === 1 ? reset(response) : sendProblem(response, 404, 'TOKEN_NOT_FOUND', 'no such token')
    )
    const client = createRegistryClient({ urls: [server.url], secret: 's' })
    t.teardown(() => client.close())
    await client.revokeToken('ci')
    t.equal(server.requests.length, 2)
    await t.rejects(client.revokeToken('ci'), { code: 'TOKEN_NOT_FOUND', message: 'no such token' })
  }
)
