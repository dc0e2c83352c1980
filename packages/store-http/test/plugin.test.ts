import { isWritable, storesPlugin } from '@tank/store'
import fastify from 'fastify'
import t from 'tap'
import storeHttp from '../src/index.ts'
import { collect, imagesOf, openOrigin } from './origin.ts'

t.test('one line brings the store into an application', async (t) => {
  const origin = await openOrigin(t, imagesOf(new Map([['/a.img', Buffer.from('bytes')]])))
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storesPlugin, { default: false })
  await app.register(storeHttp, {
    as: 'web',
    allowHttp: true,
    ports: [origin.port],
    allow: ['127.0.0.1']
  })
  await app.ready()
  const store = app.stores.get('web')
  t.ok(store !== undefined && !isWritable(store))
  const key = `http://127.0.0.1:${origin.port}/a.img`
  const image = await store?.get(key)
  t.equal(image && String(await collect(image.body)), 'bytes')
  t.equal(store?.url?.(key).href, key)
  t.strictSame(await store?.stat(`${key}#new`), { size: 5 }, 'LA9 a fragment is legal')
  t.strictSame(origin.asked, ['GET /a.img', 'HEAD /a.img'], 'and is not sent')
})

t.test('all wrong options in one message', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const wrong = { as: 'web', allowHttp: 'yes', ports: [0], openSeconds: 0, alow: [] }
  await t.rejects(async () => app.register(storeHttp, wrong as unknown as object), {
    name: 'StoreOptionsError',
    message: /^store "web" \(http\): /,
    faults: [/^\/alow: unknown/, /^\/allowHttp: /, /^\/ports\/0: /, /^\/openSeconds: /]
  })
  await t.rejects(async () => fastify().register(storeHttp, { denyHosts: ['10.0.0.0/99'] }), {
    message: 'denyHosts: "10.0.0.0/99" is no host name, address or range of addresses'
  })
})

t.test('S-02 reasons are logged without queries', async (t) => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'debug', stream: { write: (line) => lines.push(line) } } })
  t.teardown(() => app.close())
  await app.register(storesPlugin, { default: false })
  await app.register(storeHttp, { openSeconds: 0.05 })
  await app.ready()
  const get = async () => app.stores.get('http')?.get('https://127.0.0.1/a?signature=canary-secret')
  await t.rejects(get(), { code: 'UNAVAILABLE' })
  t.match(
    lines.join(''),
    /"store":"http".*127\.0\.0\.1, which is denied.*a location cannot be read/
  )
  t.notMatch(lines.join(''), 'canary')
})
