import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { openStack, P1, P2 } from '../../src/stack.ts'
import { DATA, meta, RAW, v1Of } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BASE = 'http://outside.test'
const BYTES = randomBytes(5120)
const MD5 = createHash('md5').update(BYTES).digest('hex')
const copy = (url: string, name = 'tank') => ({ [`x-${name}-api-copy-from`]: url })

async function open(registry: Record<string, unknown> = {}) {
  const [main, web] = [new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: { main: { use: 'a' }, web: { use: 'web' } },
      defaultStore: 'main',
      jobs: { pollSeconds: 0.1 },
      transfers: { storeSeconds: 0.5 },
      limits: { properties: 128 }
    },
    registry,
    plugins: { a: main.plugin(), web: web.plugin('web') }
  })
  web.bytes.set(`${BASE}/data`, BYTES)
  return { stack, main, web, v1: v1Of(stack) }
}

t.test('data that lies elsewhere', async (t) => {
  const { stack, main, web, v1 } = await open()
  t.teardown(() => stack.close())
  const { post, put, said, list, remove } = v1
  const becomes = (id: string, status: string) =>
    until(`${id} is ${status}`, 15_000, async () =>
      (await said(P1, id, 'status')) === status ? true : undefined
    )
  const none = async () =>
    t.strictSame(await list(P1, '?changes-since=2020-01-01'), [], 'nothing was made')

  await t.test(
    'V1-66, S-07: only what lies on the web is read, and nothing is made of the rest',
    async (t) => {
      const schemes = [
        'file',
        'FILE',
        'filesystem',
        'swift+config',
        'chase+config',
        's3',
        'chase',
        'ftp'
      ]
      for (const scheme of schemes) {
        const url = `${scheme}://host/etc/passwd`
        for (const source of [copy(url), copy(url, 'glance'), meta({ location: url })]) {
          const refused = await post(P1, { ...meta(RAW), ...source })
          t.equal(refused.status, 400, url)
          const says = `External sourcing not supported for store '${scheme.toLowerCase()}'`
          t.ok(refused.text.includes(says), refused.text)
        }
      }
      for (const url of [
        '',
        'data',
        '/etc/passwd',
        'http://',
        'http://u:p@outside.test/',
        'http://127.1/'
      ]) {
        for (const source of [copy(url), meta({ location: url })]) {
          const refused = await post(P1, { ...meta(RAW), ...source })
          t.equal(refused.status, 400, url)
          t.match(refused.text, /Invalid location/, url)
        }
      }
      const two = await post(P1, { ...DATA, ...meta(RAW), ...copy(`${BASE}/data`) }, BYTES)
      t.equal(two.status, 400)
      t.match(two.text, /multiple sources/)
      const unformatted = await post(P1, copy(`${BASE}/data`))
      t.match(unformatted.text, /Invalid disk format 'None' for image/)
      await none()
    }
  )

  await t.test('V1-64, V1-65: a copy comes in the background, and is whole', async (t) => {
    const made = await post(P1, { ...meta({ ...RAW, name: 'c' }), ...copy(`${BASE}/data`) })
    t.equal(made.status, 201, made.text)
    t.match(made.image, { status: 'queued', properties: {} })
    const { id } = made.image
    await becomes(id, 'active')
    web.bytes.delete(`${BASE}/data`)
    const read = await stack.call(P1, 'GET', `/v1/images/${id}`)
    t.ok(read.body.equals(BYTES), 'the original is not needed any more')
    t.match(read.headers, {
      'content-length': '5120',
      etag: MD5,
      'x-image-meta-checksum': MD5
    })
    t.notOk(Object.keys(read.headers).some((name) => name.includes('os_glance')))
    web.bytes.set(`${BASE}/data`, BYTES)
    await remove(P1, id)
  })

  await t.test('a copy that fails is killed, and leaves no bytes', async (t) => {
    const gone = await post(P1, { ...meta(RAW), ...copy(`${BASE}/gone`) })
    t.equal(gone.status, 201)
    await becomes(gone.image.id, 'killed')
    for (const wrong of [{ size: 5119 }, { checksum: '0'.repeat(32) }]) {
      const made = await post(P1, { ...meta({ ...RAW, ...wrong }), ...copy(`${BASE}/data`) })
      await becomes(made.image.id, 'killed')
    }
    web.faults = { breaksAfter: 3000 }
    const broken = await post(P1, { ...meta(RAW), ...copy(`${BASE}/data`) })
    await becomes(broken.image.id, 'killed')
    web.faults = {}
    const right = { size: 5120, checksum: MD5 }
    const made = await post(P1, { ...meta({ ...RAW, ...right }), ...copy(`${BASE}/data`) })
    t.match(made.image, right)
    await becomes(made.image.id, 'active')
    await remove(P1, made.image.id)
    await until('no byte is left', 10_000, async () => {
      const { stored_bytes: counted } = await stack.registry.usage('P1')
      return main.bytes.size === 0 && counted === 0 ? true : undefined
    })
  })

  await t.test('V1-68, V1-70: data stays where it is', async (t) => {
    const url = `${BASE}/data`
    const made = await post(P1, meta({ ...RAW, location: url }))
    t.equal(made.status, 201, made.text)
    t.match(made.image, { status: 'active', size: 5120, checksum: null })
    t.notOk('location' in made.image)
    const read = await stack.call(P1, 'GET', `/v1/images/${made.image.id}`)
    t.ok(read.body.equals(BYTES))
    const told = await post(P1, meta({ ...RAW, location: url, checksum: MD5, size: 5120 }))
    t.match(told.image, { status: 'active', checksum: MD5 })
    t.equal(told.headers.etag, MD5)
    t.equal((await post(P1, meta({ ...RAW, location: url, size: 5119 }))).status, 409)
    const auto = { disk_format: 'auto', container_format: 'bare' }
    t.match(
      (await post(P1, meta({ ...auto, location: url }))).text,
      /say its format instead of auto/
    )
    t.equal((await post(P1, meta({ ...RAW, location: `${BASE}/gone` }))).status, 400)
    web.faults = { hidesSize: true }
    const unknown = await post(P1, meta({ ...RAW, location: url }))
    t.equal(unknown.status, 400, 'an image has no size that nobody knows')
    web.faults = {}
    t.equal((await list(P1, '?status=queued')).length, 0, 'nothing is left of these')
    for (const { id } of [made.image, told.image]) t.equal((await remove(P1, id)).status, 200)
    t.ok(web.bytes.has(url), 'what lies elsewhere is not deleted')
  })

  await t.test('V1-99: a queued image takes data over later, once', async (t) => {
    const reserve = async () => (await post(P1, meta({ ...RAW, 'property-a': 'b' }))).image.id
    const located = await reserve()
    const activated = await put(P1, located, meta({ location: `${BASE}/data` }))
    t.equal(activated.status, 200, activated.text)
    t.match(activated.image, { status: 'active', size: 5120 })
    const copied = await reserve()
    const asked = await put(P1, copied, copy(`${BASE}/data`))
    t.equal(asked.status, 200, asked.text)
    await becomes(copied, 'active')
    t.equal(await said(P1, copied, 'size'), '5120')
    for (const source of [copy(`${BASE}/data`), meta({ location: `${BASE}/data` })]) {
      t.equal((await put(P1, copied, source)).status, 400)
    }
    const kept = await reserve()
    t.equal((await put(P1, kept, copy('file:///etc/passwd'))).status, 400)
    t.equal((await put(P1, kept, meta({ location: `${BASE}/gone` }))).status, 400)
    t.equal(await said(P1, kept, 'status'), 'queued')
    t.equal((await put(P2, kept, copy(`${BASE}/data`))).status, 404)
  })
})

t.test('a copy that is refused leaves no record, though it asks for a protected one', async (t) => {
  const { stack, v1 } = await open({ quotas: { uploads: 0 } })
  t.teardown(() => stack.close())
  const wish = { ...meta({ ...RAW, protected: 'True' }), ...copy(`${BASE}/data`) }
  t.equal((await v1.post(P1, wish)).status, 413)
  t.strictSame((await stack.json(P1, 'GET', '/v2/images')).body.images, [])
})

t.test('V1-74, V1-75, V1-77: deletions, at once and delayed', async (t) => {
  const quick = { leaseSeconds: 1, heartbeatSeconds: 0.3, sweepSeconds: 0.2 }
  const stack = await openStack({ registry: { deleteDelaySeconds: 3, ...quick } })
  t.teardown(() => stack.close())
  const { post, put, said, list, remove, head } = v1Of(stack)
  const ADMINISTRATOR = { project: 'ops', user: 'root', roles: 'admin' }
  const queued = (await post(P1, meta(RAW))).image.id
  await remove(P1, queued)
  t.equal(await said(ADMINISTRATOR, queued, 'status'), 'deleted', 'there is nothing to wait for')

  const id = randomUUID()
  await post(P1, { ...DATA, ...meta({ ...RAW, id, 'property-a': 'b' }) }, BYTES)
  t.equal((await remove(P1, id)).status, 200)
  t.match((await head(ADMINISTRATOR, id)).headers, {
    'x-image-meta-status': 'pending_delete',
    'x-image-meta-deleted': 'True'
  })
  t.equal((await head(P1, id)).status, 404)
  t.strictSame(await list(P1), [])
  t.equal((await remove(ADMINISTRATOR, id)).status, 403)
  t.equal((await remove(P1, id)).status, 404)
  t.equal((await put(ADMINISTRATOR, id, DATA, BYTES)).status, 409)
  t.equal((await put(ADMINISTRATOR, id, copy(`${BASE}/data`))).status, 400)
  t.equal((await stack.json(ADMINISTRATOR, 'GET', `/v2/images/${id}`)).status, 404)
  await until('it is deleted for good', 15_000, async () =>
    (await said(ADMINISTRATOR, id, 'status')) === 'deleted' ? true : undefined
  )
  const { headers } = await head(ADMINISTRATOR, id)
  t.equal(headers['x-image-meta-deleted'], 'True')
  t.notOk('x-image-meta-property-a' in headers, 'its properties are gone')
})
