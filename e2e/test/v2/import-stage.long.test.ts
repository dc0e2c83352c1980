import { randomBytes, randomUUID } from 'node:crypto'
import http from 'node:http'
import t, { type Test } from 'tap'
import { cutOff } from '../../src/cut-off.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { digest, gate, holds, importBy, over, show, tasks } from '../../src/imports.ts'
import { identityHeaders, openStack, P1, P2, READER, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const STORES = { main: { use: 'a', weight: 10 }, b: { use: 'b' }, c: { use: 'c' } }
const MOVES = { pollSeconds: 0.1 }
const SHORT = { leaseSeconds: 1, heartbeatSeconds: 0.2, sweepSeconds: 0.1 }

async function open(registry: Record<string, unknown> = {}, api: Record<string, unknown> = {}) {
  const [main, b, c] = [new FakeStore(), new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: { stores: STORES, defaultStore: 'main', jobs: MOVES, ...api },
    registry,
    plugins: { a: main.plugin(), b: b.plugin(), c: c.plugin() }
  })
  return { stack, main, b, c }
}

const stage = (stack: Stack, id: string, bytes: Buffer | string, headers: object = {}, who = P1) =>
  stack.call(who, 'PUT', `/v2/images/${id}/stage`, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': Buffer.byteLength(bytes),
      ...headers
    },
    body: Buffer.from(bytes)
  })

const promote = (stack: Stack, id: string, more: object = {}, who = P1) =>
  importBy(stack, id, { name: 'glance-direct' }, more, who)

async function staged(stack: Stack, bytes: Buffer): Promise<string> {
  const { id } = await stack.create(P1)
  const { status } = await stage(stack, id, bytes)
  if (status !== 204) throw new Error(`stage: ${status}`)
  return id
}

const isEmpty = (...stores: FakeStore[]) =>
  until('nothing is left in the stores', 5000, () =>
    stores.every((store) => store.bytes.size === 0) ? true : undefined
  )

t.test('IMP1, CRE2: the methods are told', async (t) => {
  const { stack } = await open()
  t.teardown(() => stack.close())
  const offered = ['glance-direct', 'copy-image']
  const info = await stack.json(P1, 'GET', '/v2/info/import')
  t.same(info.body['import-methods'].value, offered)
  const made = await stack.json(P1, 'POST', '/v2/images', {})
  t.equal(made.headers['openstack-image-import-methods'], offered.join(','))
  t.equal(made.headers['openstack-image-store-ids'], 'main,b,c')
})

t.test('stage and glance-direct', async (t) => {
  const { stack, main, b, c } = await open()
  t.teardown(() => stack.close())
  const remove = async (t: Test, id: string) => {
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    await isEmpty(main, b, c)
  }

  await t.test('IMP2, IMP3, IMP15: staged, imported, active; no byte moves', async (t) => {
    const bytes = randomBytes(2 << 20)
    const id = await staged(stack, bytes)
    t.match(await show(stack, id), {
      status: 'uploading',
      size: bytes.length,
      checksum: null,
      os_hash_algo: null,
      os_hash_value: null,
      virtual_size: null
    })
    t.notOk('stores' in (await show(stack, id)))
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 204)
    const [puts, gets] = [main.puts, main.gets]
    const answer = await promote(stack, id)
    t.equal(answer.status, 202)
    t.equal(answer.body, '')
    t.match(await over(stack, id), {
      status: 'active',
      stores: 'main',
      size: bytes.length,
      checksum: digest(bytes, 'md5'),
      os_hash_value: digest(bytes),
      os_glance_importing_to_stores: '',
      os_glance_failed_import: ''
    })
    t.equal(main.puts, puts, 'nothing was written again')
    t.ok(main.gets <= gets + 2, 'and no more was read than its head and its tail')
    t.match(await tasks(stack, id), [
      {
        type: 'api_image_import',
        status: 'success',
        request_id: answer.headers['x-openstack-request-id'],
        input: { image_id: id, backend: ['main'] }
      }
    ])
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.ok(file.body.equals(bytes))
    t.equal((await promote(stack, id)).status, 409, 'IMP10')
    await remove(t, id)
  })

  await t.test('IMP4, IMP5, IMP11, T4: what is refused', async (t) => {
    const id = await staged(stack, Buffer.from('one'))
    t.equal((await stage(stack, id, 'two')).status, 409, 'twice')
    t.equal((await stack.upload(P1, id, 'three')).status, 409, 'U4')
    t.match(await show(stack, id), { status: 'uploading', size: 3 })
    const queued = await stack.create(P1, { visibility: 'community' })
    t.equal((await promote(stack, queued.id)).status, 409, 'nothing was staged')
    const status = async (who: object, image: string, headers: object = {}) =>
      (await stage(stack, image, 'x', headers, who)).status
    t.equal(await status(P1, queued.id, { 'content-type': 'text/plain' }), 415)
    t.equal(await status(P1, queued.id, { 'content-encoding': 'gzip' }), 415)
    t.equal(await status(P1, queued.id, { 'x-openstack-image-size': 'many' }), 400)
    t.equal(await status(P1, queued.id, { 'x-openstack-image-size': '7' }), 400, 'another size')
    t.match(await show(stack, queued.id), { status: 'queued', size: null })
    t.equal(await status(P2, queued.id), 403)
    t.equal(await status(READER, queued.id), 403)
    t.equal(await status(P1, randomUUID()), 404)
    const secret = await stack.create(P1, { visibility: 'private' })
    t.equal(await status(P2, secret.id), 404)
    t.equal((await promote(stack, queued.id, {}, P2)).status, 409, 'state before right (G1)')
    const active = await stack.create(P1)
    await stack.upload(P1, active.id, 'x')
    t.equal(await status(P1, active.id), 409)
    await stack.json(P1, 'DELETE', `/v2/images/${active.id}`)
    const bare = await stack.create(P1, { container_format: null })
    t.equal(await status(P1, bare.id), 204, 'T6 formats may come later')
    t.equal((await promote(stack, bare.id)).status, 409, 'I5')
    await stack.json(P1, 'DELETE', `/v2/images/${bare.id}`)
    await remove(t, id)
  })

  await t.test('STO3, IMP20: to other stores, with the same digests', async (t) => {
    const bytes = randomBytes(100_000)
    for (const [more, stores, held] of [
      [{ stores: ['b'] }, 'b', [b]],
      [{ stores: ['b', 'main'] }, 'main,b', [main, b]],
      [{ all_stores: true }, 'main,b,c', [main, b, c]]
    ] as const) {
      const id = await staged(stack, bytes)
      t.equal((await promote(stack, id, more)).status, 202)
      const image = await over(stack, id)
      t.match(image, { status: 'active', stores, os_hash_value: digest(bytes) })
      for (const store of held) t.ok(holds(store, bytes))
      await until('staged bytes are gone elsewhere', 5000, () =>
        [main, b, c].filter((store) => store.bytes.size > 0).length === held.length
          ? true
          : undefined
      )
      await remove(t, id)
    }
  })

  await t.test('STO4, IMP21: one store fails', async (t) => {
    const bytes = randomBytes(10_000)
    const id = await staged(stack, bytes)
    c.faults = { fails: 'FULL' }
    await promote(stack, id, { all_stores: true })
    t.match(await over(stack, id), { status: 'queued', size: null, os_glance_failed_import: 'c' })
    t.match(await tasks(stack, id), [{ status: 'failure', message: /no room/ }])
    await isEmpty(main, b, c)
    t.equal((await promote(stack, id)).status, 409, 'it has to be staged again')
    t.equal((await stage(stack, id, bytes)).status, 204)
    await promote(stack, id, { all_stores: true, all_stores_must_succeed: false })
    const image = await over(stack, id)
    t.match(image, { status: 'active', stores: 'main,b', os_glance_failed_import: 'c' })
    c.faults = {}
    await remove(t, id)
  })

  await t.test('IMP13: importing, one at a time', async (t) => {
    const bytes = randomBytes(10_000)
    const id = await staged(stack, bytes)
    const { opened, open: release } = gate()
    b.faults = { putWaits: opened }
    const begun = b.putBegun()
    await promote(stack, id, { stores: ['b'] })
    await begun
    t.match(await show(stack, id), {
      status: 'importing',
      size: bytes.length,
      os_hash_value: null,
      os_glance_importing_to_stores: 'b'
    })
    t.equal((await promote(stack, id)).status, 409)
    t.equal((await stage(stack, id, 'x')).status, 409)
    release()
    t.match(await over(stack, id), { status: 'active', stores: 'b' })
    b.faults = {}
    await remove(t, id)
  })

  await t.test('IMP13, U7: an image whose data is being staged', async (t) => {
    const { id } = await stack.create(P1)
    main.faults = { putWaits: new Promise(() => {}) }
    const begun = main.putBegun()
    const answer = stage(stack, id, 'bytes')
    await begun
    t.match(await show(stack, id), { status: 'uploading', size: null })
    t.equal((await promote(stack, id)).status, 409)
    await remove(t, id)
    t.equal((await answer).status, 410)
    main.faults = {}
  })

  await t.test('DEL6: staged data goes with its image, also while it is imported', async (t) => {
    await remove(t, await staged(stack, randomBytes(1000)))
    const id = await staged(stack, randomBytes(1000))
    b.faults = { putWaits: new Promise(() => {}) }
    const begun = b.putBegun()
    await promote(stack, id, { all_stores: true })
    await begun
    await remove(t, id)
    b.faults = {}
  })

  await t.test('U12: a sender that goes away in the middle', async (t) => {
    const { id } = await stack.create(P1)
    await new Promise<void>((resolve) => {
      const call = http.request(`${stack.url}/v2/images/${id}/stage`, {
        method: 'PUT',
        agent: false,
        headers: {
          ...identityHeaders(P1),
          'content-type': 'application/octet-stream',
          'content-length': 1_000_000
        }
      })
      call.on('error', () => resolve())
      const begun = main.putBegun()
      call.write(randomBytes(100_000))
      void begun.then(() => call.destroy())
    })
    await until('it is queued', 5000, async () =>
      (await show(stack, id)).status === 'queued' ? true : undefined
    )
    await isEmpty(main)
    t.equal((await stage(stack, id, 'again')).status, 204)
    await remove(t, id)
  })
})

t.test('S-06, T3: the cap counts what comes', async (t) => {
  const { stack, main } = await open({}, { imageSizeCap: 1000 })
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1)
  t.equal((await stage(stack, id, Buffer.alloc(1001))).status, 413)
  const chunked = await stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
    headers: { 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' },
    body: Buffer.alloc(5000)
  })
  t.equal(chunked.status, 413)
  t.match(await show(stack, id), { status: 'queued', size: null })
  await isEmpty(main)
  t.equal((await stage(stack, id, Buffer.alloc(1000))).status, 204)
})

t.test('QTA2, QTA5, QTA6: staged bytes count, and come back', async (t) => {
  const { stack, main, b } = await open({ quotas: { bytes: 250, uploads: 1 } })
  t.teardown(() => stack.close())
  const usage = () => stack.registry.usage('P1')
  const { id } = await stack.create(P1)
  t.equal((await stage(stack, id, Buffer.alloc(251))).status, 413)
  t.match(await show(stack, id), { status: 'queued' })
  t.equal((await stage(stack, id, Buffer.alloc(100))).status, 204)
  t.match(await usage(), { stored_bytes: 100, reserved_bytes: 0, uploads: 0 })
  t.equal((await promote(stack, id, { all_stores: true })).status, 413, 'three of them do not fit')
  t.match(await show(stack, id), { status: 'uploading' })
  b.faults = { putWaits: new Promise(() => {}) }
  const begun = b.putBegun()
  await promote(stack, id, { stores: ['main', 'b'] })
  await begun
  t.match(await usage(), { stored_bytes: 100, reserved_bytes: 100, uploads: 1 })
  const other = await stack.create(P1)
  t.equal((await stage(stack, other.id, 'x')).status, 413, 'one at a time')
  b.faults = {}
  await stack.json(P1, 'DELETE', `/v2/images/${id}`)
  await isEmpty(main, b)
  await until('everything is given back', 5000, async () =>
    (await usage()).stored_bytes === 0 ? true : undefined
  )
  t.match(await usage(), { reserved_bytes: 0, uploads: 0 })
  t.equal((await stage(stack, other.id, Buffer.alloc(100))).status, 204)
  await promote(stack, other.id, { stores: ['main', 'b'] })
  t.match(await over(stack, other.id), { status: 'active', stores: 'main,b' })
  t.match(await usage(), { stored_bytes: 200, reserved_bytes: 0, uploads: 0 })
})

t.test('a store of its own for staging', async (t) => {
  const { stack, main, c } = await open({}, { imports: { stagingStore: 'c' } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(5000)
  const id = await staged(stack, bytes)
  t.ok(holds(c, bytes))
  t.equal(main.bytes.size, 0)
  await promote(stack, id)
  t.match(await over(stack, id), { status: 'active', stores: 'main' })
  t.ok(holds(main, bytes))
  await isEmpty(c)
  await t.rejects(stack.openApi({ imports: { stagingStore: 'nowhere' } }), /stagingStore.*nowhere/)
})

t.test('staged data that nobody imports is let go', async (t) => {
  const imports = { stagingHours: 1 / 3600 }
  const { stack, main } = await open(
    { sweepSeconds: 0.1, leaseSeconds: 1, heartbeatSeconds: 0.2 },
    { imports }
  )
  t.teardown(() => stack.close())
  const bytes = randomBytes(5000)
  const kept = await staged(stack, bytes)
  await promote(stack, kept)
  t.match(await over(stack, kept), { status: 'active' })
  const id = await staged(stack, randomBytes(1000))
  await until('it is queued again', 10_000, async () =>
    (await show(stack, id)).status === 'queued' ? true : undefined
  )
  t.match(await show(stack, id), { size: null, checksum: null })
  await until('its bytes are gone', 5000, () => (main.bytes.size === 1 ? true : undefined))
  t.equal((await promote(stack, id)).status, 409)
  t.match(await show(stack, kept), { status: 'active', os_hash_value: digest(bytes) })
  const file = await stack.call(P1, 'GET', `/v2/images/${kept}/file`)
  t.ok(file.body.equals(bytes), 'what was imported stays')
})

t.test('IMP12, T1: without the method there is no such route', async (t) => {
  const { stack } = await open({}, { imports: { methods: [] } })
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1)
  t.equal((await stage(stack, id, 'x')).status, 404)
  t.equal((await promote(stack, id)).status, 400)
  const made = await stack.json(P1, 'POST', '/v2/images', {})
  t.notOk('openstack-image-import-methods' in made.headers)
})

t.test('an API that dies while it stages: the image is queued again', async (t) => {
  const { stack, main } = await open(SHORT)
  t.teardown(() => stack.close())
  let isCut = false
  const lonely = await stack.openApi({}, (client) => cutOff(client, () => isCut))
  t.teardown(() => lonely.stop())
  const { id } = await stack.create(P1)
  main.faults = { putWaits: new Promise(() => {}) }
  const begun = main.putBegun()
  const call = http.request(`${lonely.url}/v2/images/${id}/stage`, {
    method: 'PUT',
    agent: false,
    headers: { ...identityHeaders(P1), 'content-type': 'application/octet-stream' }
  })
  call.on('error', () => {})
  call.end(randomBytes(1000))
  await begun
  t.match(await show(stack, id), { status: 'uploading', size: null })
  isCut = true
  await until('its lease has run out', 10_000, async () =>
    (await show(stack, id)).status === 'queued' ? true : undefined
  )
  main.faults = {}
  await isEmpty(main)
  const bytes = randomBytes(1000)
  t.equal((await stage(stack, id, bytes)).status, 204)
  await promote(stack, id)
  t.match(await over(stack, id), { status: 'active', os_hash_value: digest(bytes) })
})

t.test('a worker that dies while it imports: another one goes on', async (t) => {
  const { stack, main, b } = await open(SHORT, { jobs: { concurrency: 0 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(100_000)
  const id = await staged(stack, bytes)
  let isCut = false
  const lonely = await stack.openApi({ jobs: MOVES }, (client) => cutOff(client, () => isCut))
  t.teardown(() => lonely.stop())
  b.faults = { putWaits: new Promise(() => {}) }
  const begun = b.putBegun()
  t.equal((await promote(stack, id, { stores: ['main', 'b'] })).status, 202)
  await begun
  isCut = true
  b.faults = {}
  const heir = await stack.openApi({ jobs: MOVES })
  t.teardown(() => heir.stop())
  t.match(await over(stack, id), {
    status: 'active',
    stores: 'main,b',
    os_hash_value: digest(bytes)
  })
  t.equal(b.puts, 2, 'it was begun twice')
  t.equal(main.puts, 1, 'and staged once')
})
