import type { RegistryClient } from '@tank/client'
import t from 'tap'
import { cutOff } from '../../src/cut-off.ts'
import { request } from '../../src/http.ts'
import { identityHeaders, openStack, P1 } from '../../src/stack.ts'

/** A registry of which one call fails in a way that nobody foresaw. */
function broken(client: RegistryClient): RegistryClient {
  return new Proxy(client, {
    get(target, name) {
      if (name === 'listRecords')
        return async () => {
          throw new Error('SELECT secret FROM /srv/tank/x.js')
        }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

t.test('when something below v1 fails', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const headers = identityHeaders(P1)

  await t.test('V1-107, S-49: a 500 tells nothing of what is inside', async (t) => {
    const api = await stack.openApi({}, broken)
    t.teardown(() => api.stop())
    for (const accept of ['*/*', 'text/html', 'application/json']) {
      const answer = await request(`${api.url}/v1/images`, { headers: { ...headers, accept } })
      t.equal(answer.status, 500)
      const text = `${JSON.stringify(answer.headers)} ${answer.body}`
      t.match(text, /internal error/)
      t.notMatch(text, /secret|SELECT|srv|\.[jt]s|Error:|at /)
    }
  })

  await t.test(
    'a registry that is away is 503, and the client knows when to ask again',
    async (t) => {
      const api = await stack.openApi({}, (client) => cutOff(client, () => true))
      t.teardown(() => api.stop())
      for (const path of ['/v1/images', '/v1/images/11111111-2222-4333-8444-555555555555']) {
        const answer = await request(`${api.url}${path}`, { headers })
        t.equal(answer.status, 503, path)
        t.match(answer.headers['content-type'], /^text\/plain/)
        t.ok(answer.headers['retry-after'])
      }
    }
  )

  await t.test('V1-22: what the registry refuses is told in its words', async (t) => {
    const { status, body } = await stack.json(P1, 'GET', '/v1/images?marker=x')
    t.equal(status, 400)
    t.match(body, 'The marker is not the id of an image.')
  })

  await t.test('V1-51: an unknown default store keeps the service from starting', async (t) => {
    await t.rejects(stack.openApi({ defaultStore: 'nowhere' }), /nowhere/)
  })
})
