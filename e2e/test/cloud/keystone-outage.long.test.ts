import { PassThrough } from 'node:stream'
import t from 'tap'
import { keystoneNeeds, own, startWithKeystone } from '../../src/cloud.ts'
import { request } from '../../src/http.ts'
import { openKeystone } from '../../src/own-keystone.ts'
import { testWith } from '../../src/require.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(600_000)

const CACHE_SECONDS = 8
/** Life of tokens after the outage. */
const SHORT_SECONDS = 6
const IMAGE = JSON.stringify({ name: 'x', disk_format: 'raw', container_format: 'bare' })

await testWith(
  t,
  'a real Keystone that stops, and short-lived tokens',
  keystoneNeeds,
  async (t) => {
    const keystone = await openKeystone(t)
    const { url } = keystone
    const tank = await startWithKeystone(t, { ...own, url, cacheSeconds: CACHE_SECONDS })
    const send = (token: string, method = 'GET', path = '/v2/images', body?: string) =>
      request(`${tank.url}${path}`, {
        method,
        headers: { 'x-auth-token': token },
        ...(body === undefined ? {} : { body })
      })
    const status = async (token: string) => (await send(token)).status

    const { token: known } = await keystone.login('member', 'one')

    await t.test('A2: known tokens go on, others are 503 until it is back', async (t) => {
      const { token: other } = await keystone.login('reader', 'one')
      t.equal(await status(known), 200)
      await keystone.stop()
      t.equal(await status(known), 200, 'what was asked a moment ago is remembered')
      const refused = await send(other)
      t.equal(refused.status, 503, 'not 401: clients would throw their token away')
      t.match(JSON.parse(String(refused.body)), {
        error: { code: 503, message: /identity service cannot be asked. Try again/ }
      })
      t.ok(Number(refused.headers['retry-after']) > 0)
      await until('the memory ends', 2000 * CACHE_SECONDS, async () =>
        (await status(known)) === 503 ? true : undefined
      )
      t.equal((await request(`${tank.url}/versions`)).status, 200, 'what needs no token goes on')

      await keystone.start(SHORT_SECONDS)
      t.equal(await status(known), 200, 'well again, without a restart')
      t.equal(await status(other), 200)
      t.equal((await send(known, 'POST', '/v2/images', IMAGE)).status, 201)
      t.equal((await send(other, 'POST', '/v2/images', IMAGE)).status, 403, 'a reader as before')
    })

    await t.test('S-03: a token that is revoked ends within the time of the cache', async (t) => {
      t.equal(await status(known), 200)
      const self = await keystone.call('DELETE', '/auth/tokens', known, undefined, {
        'x-subject-token': known
      })
      t.equal(self.status, 204)
      const from = Date.now()
      await until('it is refused', 3000 * CACHE_SECONDS, async () =>
        (await status(known)) === 401 ? true : undefined
      )
      t.ok(Date.now() - from < CACHE_SECONDS * 1000 + 3000, `${Date.now() - from} ms`)
    })

    await t.test('A5, S-53: an upload outlives the life of its token', async (t) => {
      const { token } = await keystone.login('member', 'one')
      const { id } = JSON.parse(String((await send(token, 'POST', '/v2/images', IMAGE)).body))
      const body = new PassThrough()
      body.write(Buffer.alloc(300_000, 1))
      const upload = request(`${tank.url}/v2/images/${id}/file`, {
        method: 'PUT',
        headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' },
        body
      })
      await until('its token has expired', 30_000, async () =>
        (await status(token)) === 401 ? true : undefined
      )
      const fresh = async () => (await keystone.login('member', 'one')).token
      const saving = await send(await fresh(), 'GET', `/v2/images/${id}`)
      t.match(JSON.parse(String(saving.body)), { status: 'saving' })
      body.end(Buffer.alloc(300_000, 2))
      t.equal((await upload).status, 204)
      const done = await send(await fresh(), 'GET', `/v2/images/${id}`)
      t.match(JSON.parse(String(done.body)), { status: 'active', size: 600_000 })
      const late = await send(token, 'DELETE', `/v2/images/${id}`)
      t.equal(late.status, 401, 'nothing else does')
      t.notMatch(tank.log, token, 'S-02')
    })
  }
)
