import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { cutOff } from '../../src/cut-off.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const STORES = {
  main: { use: 'a', weight: 10 },
  b: { use: 'b' },
  c: { use: 'c' },
  web: { use: 'web', description: 'outside' }
}

async function open(registry: Record<string, unknown> = {}, api: Record<string, unknown> = {}) {
  const stores = { a: new FakeStore(), b: new FakeStore(), c: new FakeStore() }
  const web = new FakeStore()
  const stack = await openStack({
    api: {
      stores: STORES,
      defaultStore: 'main',
      jobs: { pollSeconds: 0.3 },
      imports: { methods: ['copy-image'] },
      ...api
    },
    registry,
    plugins: {
      a: stores.a.plugin(),
      b: stores.b.plugin(),
      c: stores.c.plugin(),
      web: web.plugin('web')
    }
  })
  return { stack, stores }
}

async function active(stack: Stack, bytes: Buffer | string, fields: object = {}): Promise<string> {
  const { id } = await stack.create(P1, fields)
  const { status } = await stack.upload(P1, id, bytes)
  if (status !== 204) throw new Error(`upload: ${status}`)
  return id
}

const show = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}`)).body
const tasks = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}/tasks`)).body.tasks
const copy = (stack: Stack, id: string, body: object, who = ADMIN) =>
  stack.json(who, 'POST', `/v2/images/${id}/import`, { method: { name: 'copy-image' }, ...body })

/** Waits until no import holds the image. */
const over = (stack: Stack, id: string) =>
  until(`the import of ${id} is over`, 15_000, async () => {
    const image = await show(stack, id)
    return 'os_glance_import_task' in image ? undefined : image
  })

t.test('copy-image', async (t) => {
  const { stack, stores } = await open()
  t.teardown(() => stack.close())

  await t.test('IMP1, CRE2: methods are told', async (t) => {
    const info = await stack.json(P1, 'GET', '/v2/info/import')
    t.same(info.body['import-methods'].value, ['copy-image'])
    const made = await stack.json(P1, 'POST', '/v2/images', {})
    t.equal(made.headers['openstack-image-import-methods'], 'copy-image')
    t.equal(made.headers['openstack-image-store-ids'], 'main,b,c,web')
    const versions = await stack.json(null, 'GET', '/versions')
    const ids = versions.body.versions.map(({ id }: { id: string }) => id)
    for (const minor of [10, 11, 12, 13]) t.ok(ids.includes(`v2.${minor}`), `VER3 2.${minor}`)
  })

  await t.test('STO5, H3, IMP15, STO12: to one more store', async (t) => {
    const bytes = randomBytes(3 << 20)
    const id = await active(stack, bytes)
    const before = await show(stack, id)
    t.equal((await copy(stack, id, { stores: ['b'] }, P1)).status, 403, 'for administrators')
    const answer = await copy(stack, id, { stores: ['b'] })
    t.equal(answer.status, 202)
    t.equal(answer.body, '')
    const after = await over(stack, id)
    t.match(after, {
      status: 'active',
      stores: 'main,b',
      os_hash_value: before.os_hash_value,
      checksum: before.checksum,
      os_glance_importing_to_stores: '',
      os_glance_failed_import: ''
    })
    t.ok([...stores.b.bytes.values()].some((stored) => stored.equals(bytes)))
    const [task, ...more] = await tasks(stack, id)
    t.same(more, [])
    t.match(task, {
      type: 'api_image_import',
      status: 'success',
      message: '',
      image_id: id,
      request_id: answer.headers['x-openstack-request-id'],
      owner: 'ops',
      input: { image_id: id, backend: ['b'], import_req: { stores: ['b'] } },
      result: null,
      deleted: false,
      created_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/
    })
    t.equal((await copy(stack, id, { stores: ['b'] })).status, 400, 'it is there already')
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file?prefer=b`)
    t.ok(file.body.equals(bytes))
  })

  await t.test('STO3: to two stores at once', async (t) => {
    const bytes = randomBytes(50_000)
    const id = await active(stack, bytes)
    const { os_hash_value } = await show(stack, id)
    t.equal((await copy(stack, id, { stores: ['b', 'c'] })).status, 202)
    t.match(await over(stack, id), { stores: 'main,b,c', os_hash_value })
    for (const store of [stores.b, stores.c]) {
      t.ok([...store.bytes.values()].some((stored) => stored.equals(bytes)))
    }
  })

  await t.test('STO6, IMP20, STO11: all stores that can be written to', async (t) => {
    const id = await active(stack, 'all')
    t.equal((await copy(stack, id, { all_stores: true })).status, 202)
    t.match(await over(stack, id), { stores: 'main,b,c' }, 'not the read-only one')
    t.equal((await copy(stack, id, { all_stores: true })).status, 202)
    t.equal((await tasks(stack, id)).length, 1, 'no new task')
    t.match(await show(stack, id), { stores: 'main,b,c' })
  })

  await t.test('STO8, IMP10, IMP11, IMP12: what is refused', async (t) => {
    const id = await active(stack, 'x')
    const status = async (body: object, path = id) =>
      (await stack.json(ADMIN, 'POST', `/v2/images/${path}/import`, body)).status
    const method = { name: 'copy-image' }
    t.equal(await status({ method, stores: ['nowhere'] }), 409)
    t.equal(await status({ method, stores: ['web'] }), 409, 'STO11 read-only')
    t.equal(await status({ method, stores: 'b' }), 400)
    t.equal(await status({ method, stores: ['b'], all_stores: true }), 400, 'I9')
    t.equal(await status({ method, all_stores: 'yes' }), 400)
    t.equal(await status({ method, all_stores_must_succeed: 1 }), 400)
    for (const bad of [{}, { method: {} }, { method: 'copy-image' }, { method: { name: 'x' } }]) {
      t.equal(await status(bad), 400, JSON.stringify(bad))
      t.equal(await status(bad, randomUUID()), 400, 'before the image is looked up (G1)')
    }
    t.equal(await status({ method: { name: 'glance-direct' } }), 400, 'not enabled')
    t.equal(await status({ method, stores: ['b'] }, randomUUID()), 404)
    const queued = await stack.create(P1)
    t.equal(await status({ method, stores: ['b'] }, queued.id), 409)
    t.match(await show(stack, id), { stores: 'main' })
    const header = { 'x-image-meta-store': 'b' }
    const named = await stack.call(ADMIN, 'POST', `/v2/images/${id}/import`, {
      headers: header,
      body: JSON.stringify({ method, all_stores: true })
    })
    t.equal(named.status, 400, 'I9')
    const alone = await stack.call(ADMIN, 'POST', `/v2/images/${id}/import`, {
      headers: header,
      body: JSON.stringify({ method })
    })
    t.equal(alone.status, 202)
    t.match(await over(stack, id), { stores: 'main,b' }, 'the header names the store')
    t.equal(await status({ method }), 400, 'else it is the default store')
    const secret = await active(stack, 'x', { visibility: 'private' })
    t.equal((await copy(stack, secret, { stores: ['b'] }, P2)).status, 404)
  })

  await t.test('STO4, STO7: one store fails', async (t) => {
    stores.c.faults = { fails: 'FULL' }
    const id = await active(stack, 'fails')
    const kept = stores.b.bytes.size
    t.equal((await copy(stack, id, { stores: ['b', 'c'] })).status, 202)
    t.match(await over(stack, id), {
      status: 'active',
      stores: 'main',
      os_glance_failed_import: 'c'
    })
    t.match(await tasks(stack, id), [
      { status: 'failure', message: 'The store has no room for the image' }
    ])
    await until('the other copy is gone', 5000, () =>
      stores.b.bytes.size === kept ? true : undefined
    )
    await copy(stack, id, { stores: ['b', 'c'], all_stores_must_succeed: false })
    t.match(await over(stack, id), { stores: 'main,b', os_glance_failed_import: 'c' })
    stores.c.faults = {}
    t.equal((await copy(stack, id, { stores: ['c'] })).status, 202, 'IMP21 and again')
    t.match(await over(stack, id), { stores: 'main,b,c', os_glance_failed_import: '' })
  })

  await t.test('S-13, H3: other bytes in the source never become a copy', async (t) => {
    const id = await active(stack, randomBytes(100_000))
    stores.a.faults = { corrupts: true }
    await copy(stack, id, { stores: ['b'] })
    const image = await over(stack, id)
    stores.a.faults = {}
    t.match(image, { stores: 'main', os_glance_failed_import: 'b' })
  })

  await t.test('a source that breaks in the middle: the copy goes on from another', async (t) => {
    const bytes = randomBytes(400_000)
    const id = await active(stack, bytes)
    await copy(stack, id, { stores: ['b'] })
    await over(stack, id)
    stores.a.faults = { breaksAfter: 100_000 }
    await copy(stack, id, { stores: ['c'] })
    t.match(await over(stack, id), { stores: 'main,b,c', os_glance_failed_import: '' })
    stores.a.faults = {}
    t.ok([...stores.c.bytes.values()].some((stored) => stored.equals(bytes)))
  })

  await t.test('IMP13, IMP19: one import at a time, and its marks are the service’s', async (t) => {
    const id = await active(stack, 'busy')
    let release = () => {}
    stores.b.faults = {
      putWaits: new Promise<void>((resolve) => {
        release = resolve
      })
    }
    const begun = stores.b.putBegun()
    await copy(stack, id, { stores: ['b'] })
    await begun
    t.match(await show(stack, id), {
      status: 'active',
      stores: 'main',
      os_glance_importing_to_stores: 'b'
    })
    const requests = Array.from({ length: 20 }, () => copy(stack, id, { stores: ['b'] }))
    for (const { status } of await Promise.all(requests)) t.equal(status, 409)
    for (const op of ['add', 'replace', 'remove']) {
      const path = '/os_glance_import_task'
      t.equal((await stack.patch(P1, id, [{ op, path, value: 'x' }])).status, 403, op)
    }
    const patched = await stack.patch(P1, id, [{ op: 'add', path: '/colour', value: 'red' }])
    t.equal(patched.status, 200)
    release()
    t.match(await over(stack, id), { stores: 'main,b', colour: 'red' })
    stores.b.faults = {}
  })

  await t.test('DEL6: the image is deleted while it is copied', async (t) => {
    const id = await active(stack, 'delete me')
    const kept = stores.b.bytes.size
    stores.b.faults = { putWaits: new Promise(() => {}) }
    const begun = stores.b.putBegun()
    await copy(stack, id, { stores: ['b'] })
    await begun
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    stores.b.faults = {}
    t.equal((await stack.json(ADMIN, 'GET', `/v2/images/${id}/tasks`)).status, 404)
    await until('nothing is left', 5000, () => {
      const left = [...stores.a.bytes.values()].some((bytes) =>
        bytes.equals(Buffer.from('delete me'))
      )
      return !left && stores.b.bytes.size === kept ? true : undefined
    })
  })

  await t.test('IMP16: tasks are for who asked and for administrators', async (t) => {
    const id = await active(stack, 'shown')
    await stack.patch(ADMIN, id, [{ op: 'replace', path: '/visibility', value: 'public' }])
    await copy(stack, id, { stores: ['b'] })
    await over(stack, id)
    t.equal((await tasks(stack, id)).length, 1)
    t.same((await stack.json(P2, 'GET', `/v2/images/${id}/tasks`)).body, { tasks: [] })
    t.equal((await stack.json(P2, 'GET', `/v2/images/${randomUUID()}/tasks`)).status, 404)
  })

  await t.test('IMP22: 20 copies at once, none is lost', async (t) => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => active(stack, `many ${n}`)))
    const answers = await Promise.all(ids.map((id) => copy(stack, id, { stores: ['b'] })))
    for (const { status } of answers) t.equal(status, 202)
    for (const id of ids) t.match(await over(stack, id), { stores: 'main,b' })
  })
})

t.test('a copy whose bytes do not move is given up', async (t) => {
  const { stack, stores } = await open({}, { jobs: { pollSeconds: 0.3, stallSeconds: 1 } })
  t.teardown(() => stack.close())
  const id = await active(stack, 'stuck')
  stores.b.faults = { putWaits: new Promise(() => {}) }
  await copy(stack, id, { stores: ['b'] })
  t.match(await over(stack, id), { status: 'active', stores: 'main' })
  t.match(await tasks(stack, id), [{ status: 'failure', message: /did not move/ }])
})

t.test('QTA2, QTA6: copies count, and need room', async (t) => {
  const { stack } = await open({ quotas: { bytes: 25 } })
  t.teardown(() => stack.close())
  const id = await active(stack, '0123456789')
  t.equal((await copy(stack, id, { stores: ['b', 'c'] })).status, 413)
  t.equal((await copy(stack, id, { stores: ['b'] })).status, 202)
  await over(stack, id)
  t.equal((await copy(stack, id, { stores: ['c'] })).status, 413)
})

t.test('a worker that loses its lease: another API goes on with the copy', async (t) => {
  const registry = { leaseSeconds: 1, heartbeatSeconds: 0.2, sweepSeconds: 0.1 }
  const { stack, stores } = await open(registry, { jobs: { concurrency: 0 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(200_000)
  const id = await active(stack, bytes)
  let isCut = false
  const working = { jobs: { pollSeconds: 0.1 } }
  // a machine whose network fails in the middle of its work
  const lonely = await stack.openApi(working, (client) => cutOff(client, () => isCut))
  t.teardown(() => lonely.stop())
  stores.b.faults = { putWaits: new Promise(() => {}) }
  const begun = stores.b.putBegun()
  t.equal((await copy(stack, id, { stores: ['b'] })).status, 202, 'asked of another process')
  await begun
  isCut = true
  stores.b.faults = {}
  const heir = await stack.openApi(working)
  t.teardown(() => heir.stop())
  t.match(await over(stack, id), { status: 'active', stores: 'main,b' })
  t.equal(stores.b.puts, 2, 'it was begun twice')
  t.ok([...stores.b.bytes.values()].some((stored) => stored.equals(bytes)))
  t.match(await tasks(stack, id), [{ status: 'success' }])
})

t.test('a worker that is stopped gives its work back at once', async (t) => {
  const { stack, stores } = await open({}, { jobs: { concurrency: 0 } })
  t.teardown(() => stack.close())
  const id = await active(stack, 'handed over')
  const working = { jobs: { pollSeconds: 0.1 } }
  const first = await stack.openApi(working)
  stores.b.faults = { putWaits: new Promise(() => {}) }
  const begun = stores.b.putBegun()
  await copy(stack, id, { stores: ['b'] })
  await begun
  await first.stop()
  stores.b.faults = {}
  t.match(await tasks(stack, id), [{ status: 'pending' }])
  const second = await stack.openApi(working)
  t.teardown(() => second.stop())
  t.match(await over(stack, id), { stores: 'main,b' })
})
