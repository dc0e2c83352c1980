import t from 'tap'
import { createRegistryClient } from '../src/index.ts'
import { reset, sendJson, sendProblem, serve } from './fake-server.ts'

const caller = { project: 'P', user: 'u', scope: 'all', requestId: 'r' } as const
const tags = { namespace: 'a/b', kind: 'tags' } as const
const FOUND = {
  namespace: 'a/b',
  description: 'd',
  objects: [],
  properties: [],
  resource_types: [],
  tags: [{ name: 'x', created_at: 'now' }, { name: 'y' }]
}

t.test('speaks the routes of metadata definitions', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.method === 'DELETE') return response.writeHead(204).end()
    if (request.url.endsWith('/tags')) return sendJson(response, 201, { definitions: FOUND.tags })
    if (request.url.endsWith('types')) return sendJson(response, 200, { resource_types: [] })
    return sendJson(response, 200, FOUND)
  })
  const client = createRegistryClient({ urls: [server.url], secret: 's' })
  t.teardown(() => client.close())
  t.same(await client.listResourceTypes(caller), [])
  await client.listNamespaces(caller, '')
  await client.listNamespaces(caller, 'limit=1')
  t.same(await client.getNamespace(caller, 'a/b'), FOUND)
  await client.createNamespace(caller, { namespace: 'a/b' })
  await client.updateNamespace(caller, 'a/b', { namespace: 'c' })
  await client.deleteNamespace(caller, 'a/b')
  t.same(await client.addDefinitions(caller, tags, [{ name: 'x' }]), FOUND.tags)
  await client.updateDefinition(caller, { ...tags, name: 'x' }, { name: 'z' })
  await client.removeDefinitions(caller, { ...tags, name: 'x?' })
  await client.removeDefinitions(caller, tags)
  t.same(
    server.requests.map(({ method, url }) => `${method} ${url.replace('/v1/metadefs/', '')}`),
    [
      'GET resource_types',
      'GET namespaces',
      'GET namespaces?limit=1',
      'GET namespaces/a%2Fb',
      'POST namespaces',
      'PUT namespaces/a%2Fb',
      'DELETE namespaces/a%2Fb',
      'POST namespaces/a%2Fb/tags',
      'PUT namespaces/a%2Fb/tags/x',
      'DELETE namespaces/a%2Fb/tags/x%3F',
      'DELETE namespaces/a%2Fb/tags'
    ]
  )
  const body = JSON.parse(String(server.requests[7]?.body))
  t.same(body, { definitions: [{ name: 'x' }], replace: false })
})

t.test('what was carried out before its answer was lost counts as done', async (t) => {
  const server = await serve(t, (request, response, count) => {
    if (count === 1) return reset(response)
    if (request.method === 'GET') return sendJson(response, 200, FOUND)
    const [status, code] =
      request.method === 'POST' ? [409, 'METADEF_EXISTS'] : [404, 'METADEF_NOT_FOUND']
    return sendProblem(response, Number(status), String(code), 'said no')
  })
  const again = () => {
    server.requests.length = 0
    const client = createRegistryClient({ urls: [server.url], secret: 's' })
    t.teardown(() => client.close())
    return client
  }
  const wish = { namespace: 'a/b', description: 'd' }
  t.match(await again().createNamespace(caller, wish), wish)
  t.match(await again().updateNamespace(caller, 'old', wish), wish)
  t.match(await again().addDefinitions(caller, tags, [{ name: 'y' }]), [{ name: 'y' }])
  const x = { ...tags, name: 'old' }
  t.match(await again().updateDefinition(caller, x, { name: 'x' }), { name: 'x' })
  await again().removeDefinitions(caller, x)
  await again().deleteNamespace(caller, 'a/b')
  const code = 'METADEF_EXISTS'
  await t.rejects(again().createNamespace(caller, { ...wish, description: 'e' }), { code })
  await t.rejects(again().addDefinitions(caller, tags, [{ name: 'z' }]), { code })
  const client = again()
  server.requests.length = 1
  await t.rejects(client.createNamespace(caller, wish), { code }, 'sent once, refused once')
})
