import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, openStack, P1, P2, READER } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const BYTES = Buffer.alloc(4096, 'cache')
const UNKNOWN = '11111111-2222-4333-8444-555555555555'

async function open(t: Test, api: object = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'tank-cache-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const store = new FakeStore()
  const stack = await openStack({
    api: {
      stores: { far: { use: 'far' } },
      defaultStore: 'far',
      cache: { dir: join(dir, 'cache') },
      ...api
    },
    plugins: { far: store.plugin() }
  })
  t.teardown(() => stack.close())
  const active = async (): Promise<string> => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, BYTES)
    return id
  }
  const cached = async () =>
    (await stack.json(ADMIN, 'GET', '/v1/cached_images')).body.cached_images
  const isCached = async (id: string) =>
    (await cached()).some((entry: { image_id: string }) => entry.image_id === id)
  return { stack, active, cached, isCached }
}

t.test('the cache through v1', async (t) => {
  const { stack, active, cached, isCached } = await open(t)
  const admin = async (method: string, path: string) => stack.json(ADMIN, method, `/v1/${path}`)

  await t.test('V1-78, V1-79, V1-80: a GET fills it, for those who may read', async (t) => {
    const id = await active()
    const first = await stack.call(P1, 'GET', `/v1/images/${id}`)
    t.ok(first.body.equals(BYTES))
    await until('it is cached', 10_000, async () => (await isCached(id)) || undefined)
    const second = await stack.call(P1, 'GET', `/v1/images/${id}`)
    t.ok(second.body.equals(BYTES))
    t.equal(second.headers['content-length'], String(BYTES.length))
    t.equal((await stack.call(P2, 'GET', `/v1/images/${id}`)).status, 404)
    t.equal((await stack.call(READER, 'GET', `/v1/images/${id}`)).status, 403)
    await stack.call(P1, 'DELETE', `/v2/images/${id}`)
    t.notOk(await isCached(id), 'gone with its image')
  })

  await t.test('V1-81: list, delete one, delete all', async (t) => {
    const ids = [await active(), await active(), await active()]
    for (const id of ids) await stack.call(P1, 'GET', `/v1/images/${id}`)
    await until('all are cached', 10_000, async () =>
      (await cached()).length === 3 ? true : undefined
    )
    const [entry] = await cached()
    t.same(Object.keys(entry).sort(), [
      ...['hits', 'image_id', 'last_accessed', 'last_modified', 'size']
    ])
    t.match(entry, { hits: 0, size: BYTES.length })
    t.equal((await admin('DELETE', `cached_images/${ids[0]}`)).status, 200)
    t.notOk(await isCached(String(ids[0])))
    const all = await admin('DELETE', 'cached_images')
    t.equal(all.status, 200)
    t.same(all.body, { num_deleted: 2 })
    t.same(await cached(), [])
  })

  await t.test('V1-82: what is queued is fetched', async (t) => {
    const id = await active()
    t.equal((await admin('PUT', `queued_images/${id}`)).status, 200)
    await until('it is cached', 10_000, async () => (await isCached(id)) || undefined)
    t.equal((await admin('PUT', `queued_images/${UNKNOWN}`)).status, 200, 'not looked for')
    t.equal((await admin('PUT', 'queued_images/no-uuid')).status, 404)
    t.equal((await admin('DELETE', `queued_images/${UNKNOWN}`)).status, 200)
    t.equal((await admin('DELETE', 'queued_images')).status, 200)
    t.same((await admin('GET', 'queued_images')).body, { queued_images: [] })
  })
})

t.test('V1-83: who may not manage it gets 403', async (t) => {
  const policy = { cache_list: '!', cache_delete: '!', cache_image: '!' }
  const { stack, active } = await open(t, { policy })
  const id = await active()
  for (const [method, path] of [
    ...[['GET', 'cached_images'] as const, ['DELETE', 'cached_images'] as const],
    ...[['DELETE', `cached_images/${id}`] as const, ['PUT', `queued_images/${id}`] as const],
    ...[['GET', 'queued_images'] as const, ['DELETE', 'queued_images'] as const],
    ['DELETE', `queued_images/${id}`] as const
  ])
    t.equal((await stack.call(ADMIN, method, `/v1/${path}`)).status, 403, `${method} ${path}`)
})

t.test('without a cache it is not there', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  t.equal((await stack.call(ADMIN, 'GET', '/v1/cached_images')).status, 404)
  t.equal((await stack.call(P1, 'GET', '/v1/cached_images')).status, 403)
})
