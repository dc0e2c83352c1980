import { createHash, randomBytes, randomUUID } from 'node:crypto'
import http from 'node:http'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, identityHeaders, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const STORES = {
  main: { use: 'a', weight: 10, description: 'the first' },
  b: { use: 'b' },
  c: { use: 'c' },
  web: { use: 'web' }
}
const SERVICE = { project: 'svc', user: 'nova', roles: 'service' }

async function open(api: Record<string, unknown> = {}) {
  const stores = { a: new FakeStore(), b: new FakeStore(), c: new FakeStore() }
  const stack = await openStack({
    api: { stores: STORES, defaultStore: 'main', jobs: { pollSeconds: 0.3 }, ...api },
    plugins: {
      a: stores.a.plugin(),
      b: stores.b.plugin(),
      c: stores.c.plugin(),
      web: new FakeStore().plugin('web')
    }
  })
  return { stack, stores }
}

const show = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}`)).body
const remove = async (stack: Stack, store: string, id: string, who = ADMIN) =>
  (await stack.json(who, 'DELETE', `/v2/stores/${store}/${id}`)).status

async function copy(stack: Stack, id: string, stores: readonly string[]): Promise<void> {
  const body = { method: { name: 'copy-image' }, stores }
  const { status } = await stack.json(ADMIN, 'POST', `/v2/images/${id}/import`, body)
  if (status !== 202) throw new Error(`import: ${status}`)
  await until('the copy is over', 15_000, async () =>
    'os_glance_import_task' in (await show(stack, id)) ? undefined : true
  )
}

/** An image in the default store and others. */
async function activeIn(stack: Stack, bytes: Buffer | string, ...stores: string[]) {
  const { id } = await stack.create(P1)
  const { status } = await stack.upload(P1, id, bytes)
  if (status !== 204) throw new Error(`upload: ${status}`)
  if (stores.length > 0) await copy(stack, id, stores)
  return id
}

interface Got {
  readonly status: number
  readonly body: Buffer
  readonly isComplete: boolean
}

/** A download that may end early, with what came until then. */
function get(stack: Stack, path: string, headers: http.OutgoingHttpHeaders = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const options = { headers: { ...identityHeaders(P1), ...headers }, agent: false }
    const call = http.get(`${stack.url}/v2/images/${path}`, options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks),
          isComplete: response.complete
        })
      )
    })
    call.on('error', reject)
  })
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

t.test('stores', async (t) => {
  const { stack, stores } = await open()
  t.teardown(() => stack.close())

  await t.test('STO1, STO11: stores are listed', async (t) => {
    const { body } = await stack.json(P1, 'GET', '/v2/info/stores')
    t.same(body.stores, [
      { id: 'main', description: 'the first', default: 'true' },
      { id: 'b' },
      { id: 'c' },
      { id: 'web', 'read-only': 'true' }
    ])
  })

  await t.test('STO2: details are for administrators and services', async (t) => {
    const path = '/v2/info/stores/detail'
    for (const who of [ADMIN, SERVICE]) {
      const { status, body } = await stack.json(who, 'GET', path)
      t.equal(status, 200)
      t.match(body.stores[0], { id: 'main', type: 'fake', weight: 10, properties: {} })
      t.match(body.stores[3], { id: 'web', type: 'web', weight: 0 })
    }
    t.equal((await stack.json(P1, 'GET', path)).status, 403)
  })

  await t.test('STO9, SD1–SD8: out of one store, never out of the last', async (t) => {
    const id = await activeIn(stack, 'in two stores', 'b')
    const kept = stores.a.bytes.size
    t.equal(await remove(stack, 'c', id), 404)
    t.equal(await remove(stack, 'nowhere', id), 409)
    t.equal(await remove(stack, 'main', id, P1), 403)
    t.equal(await remove(stack, 'main', randomUUID()), 404)
    t.equal(await remove(stack, 'main', id), 204)
    t.match(await show(stack, id), { status: 'active', stores: 'b' })
    await until('the bytes are gone', 5000, () => (stores.a.bytes.size < kept ? true : undefined))
    t.equal((await get(stack, `${id}/file`)).body.toString(), 'in two stores')
    t.equal(await remove(stack, 'b', id), 403)
    t.equal(await remove(stack, 'c', id), 403, 'SD6 whichever store is named')
    t.equal((await get(stack, `${id}/file`)).body.toString(), 'in two stores')
    const secret = await stack.create(P1, { visibility: 'private' })
    t.equal(await remove(stack, 'main', secret.id, P2), 404)
  })

  await t.test('STO10: not while it is queued', async (t) => {
    const { id } = await stack.create(P1)
    t.equal(await remove(stack, 'main', id), 409)
  })

  await t.test('SD6: 20 removals at once leave one store with the data', async (t) => {
    const id = await activeIn(stack, 'twenty', 'b', 'c')
    const names = ['main', 'b', 'c']
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, n) => remove(stack, names[n % 3] ?? 'main', id))
    )
    t.equal(statuses.filter((status) => status === 204).length, 2)
    t.equal((await show(stack, id)).stores.split(',').length, 1)
    t.equal((await get(stack, `${id}/file`)).body.toString(), 'twenty')
  })

  await t.test('a copy reads from a store that is removed under it', async (t) => {
    const bytes = randomBytes(300_000)
    const id = await activeIn(stack, bytes, 'b')
    stores.a.faults = { slow: 20 }
    const gets = stores.a.gets
    const body = { method: { name: 'copy-image' }, stores: ['c'] }
    await stack.json(ADMIN, 'POST', `/v2/images/${id}/import`, body)
    await until('it reads', 5000, () => (stores.a.gets > gets ? true : undefined))
    t.equal(await remove(stack, 'main', id), 204)
    stores.a.faults = {}
    const image = await until('the copy is over', 15_000, async () => {
      const seen = await show(stack, id)
      return 'os_glance_import_task' in seen ? undefined : seen
    })
    t.match(image, { status: 'active', stores: 'b,c', os_glance_failed_import: '' })
    t.ok([...stores.c.bytes.values()].some((stored) => stored.equals(bytes)))
  })
})

t.test('DWN8: reading with several stores', async (t) => {
  const { stack, stores } = await open({ transfers: { storeSeconds: 0.4, storePauseSeconds: 60 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(500_000)
  const id = await activeIn(stack, bytes, 'b', 'c')
  const file = `${id}/file`
  t.afterEach(() => {
    stores.a.faults = {}
    stores.b.faults = {}
    stores.c.faults = {}
  })
  const counts = () => [stores.a.gets, stores.b.gets, stores.c.gets]
  /** Which stores one download has asked. */
  const asked = async (path: string) => {
    const before = counts()
    const got = await get(stack, path)
    t.equal(got.status, 200)
    t.ok(got.isComplete)
    t.equal(sha256(got.body), sha256(bytes))
    return counts().map((count, n) => count - (before[n] ?? 0))
  }

  await t.test('the heaviest, or the preferred one', async (t) => {
    t.same(await asked(file), [1, 0, 0])
    t.same(await asked(`${file}?prefer=b`), [0, 1, 0])
    t.same(await asked(`${file}?prefer=c,b`), [0, 0, 1])
    t.same(await asked(`${file}?prefer=web`), [1, 0, 0], 'it is not there')
    t.equal((await get(stack, `${file}?prefer=nowhere`)).status, 400)
  })

  await t.test('copy that is gone: the next one', async (t) => {
    stores.b.faults = { fails: 'NOT_FOUND' }
    t.same(await asked(`${file}?prefer=b`), [1, 1, 0])
    t.same(await asked(`${file}?prefer=b`), [1, 1, 0], 'the store itself is not away')
  })

  await t.test('a body that breaks: another store goes on at the byte reached', async (t) => {
    stores.a.faults = { breaksAfter: 123_456 }
    t.same(await asked(file), [1, 1, 0])
  })

  await t.test('a range that breaks goes on within the range', async (t) => {
    stores.c.faults = { breaksAfter: 1000 }
    const got = await get(stack, `${file}?prefer=c`, { range: 'bytes=100-299999' })
    t.equal(got.status, 206)
    t.equal(sha256(got.body), sha256(bytes.subarray(100, 300_000)))
  })
})

t.test('DWN8: a store that hangs costs a deadline, and then nothing', async (t) => {
  const transfers = { storeSeconds: 0.4, storePauseSeconds: 1 }
  const { stack, stores } = await open({ transfers })
  t.teardown(() => stack.close())
  const id = await activeIn(stack, 'answered', 'b')
  stores.a.faults = { hangs: true }
  const gets = () => stores.a.gets
  const before = gets()
  t.equal((await get(stack, `${id}/file`)).body.toString(), 'answered')
  t.equal(gets(), before + 1, 'asked once')
  for (let n = 0; n < 5; n++) {
    t.equal((await get(stack, `${id}/file`)).body.toString(), 'answered')
  }
  t.equal(gets(), before + 1, 'and not again')
  stores.a.faults = {}
  await until('it is tried again', 5000, async () => {
    await get(stack, `${id}/file`)
    return gets() > before + 1 ? true : undefined
  })
  const healed = gets()
  t.equal((await get(stack, `${id}/file`)).body.toString(), 'answered')
  t.equal(gets(), healed + 1, 'and is the first choice again')
})

t.test('DWN8: a store that stops sending in the middle', async (t) => {
  const { stack, stores } = await open({ transfers: { storeSeconds: 0.3 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(300_000)
  const id = await activeIn(stack, bytes, 'b')
  stores.a.faults = { breaksAfter: 100_000, silently: true }
  const got = await get(stack, `${id}/file`)
  t.ok(got.isComplete)
  t.equal(sha256(got.body), sha256(bytes))
  await until('nothing stays open', 5000, () => (stores.a.open === 0 ? true : undefined))
})

t.test('B11, DWN12: when no store can, it is said, or the connection is cut', async (t) => {
  const { stack, stores } = await open({ transfers: { storeSeconds: 0.3 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(300_000)
  const id = await activeIn(stack, bytes, 'b')
  stores.a.faults = { fails: 'UNAVAILABLE' }
  stores.b.faults = { hangs: true }
  t.equal((await get(stack, `${id}/file`)).status, 503)
  t.equal((await get(stack, `${id}/file`)).status, 503, 'also when both are known to be away')
  stores.a.faults = {}
  stores.b.faults = {}
  t.equal((await get(stack, `${id}/file`)).status, 200, 'the last resort is asked all the same')
  stores.a.faults = { breaksAfter: 100_000 }
  stores.b.faults = { breaksAfter: 50_000 }
  const cut = await get(stack, `${id}/file`)
  t.equal(cut.status, 200)
  t.notOk(cut.isComplete)
  t.ok(bytes.subarray(0, cut.body.length).equals(cut.body), 'and what came was right')
})
