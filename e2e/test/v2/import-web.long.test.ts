import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { cutOff } from '../../src/cut-off.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { digest, gate, holds, importBy, over, show, tasks } from '../../src/imports.ts'
import { ADMIN, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BASE = 'http://outside.test'
const STORES = { main: { use: 'a', weight: 10 }, b: { use: 'b' }, web: { use: 'web' } }
const MOVES = { pollSeconds: 0.1 }

async function open(registry: Record<string, unknown> = {}, api: Record<string, unknown> = {}) {
  const [main, b, web] = [new FakeStore(), new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: STORES,
      defaultStore: 'main',
      jobs: MOVES,
      transfers: { storeSeconds: 0.5 },
      ...api
    },
    registry,
    plugins: { a: main.plugin(), b: b.plugin(), web: web.plugin('web') }
  })
  const publish = (path: string, bytes: Buffer) => {
    web.bytes.set(`${BASE}${path}`, bytes)
    return `${BASE}${path}`
  }
  return { stack, main, b, web, publish }
}

const download = (stack: Stack, id: string, uri: unknown, more: object = {}, who = P1) =>
  importBy(stack, id, { name: 'web-download', ...(uri === undefined ? {} : { uri }) }, more, who)

t.test('web-download', async (t) => {
  const { stack, main, b, web, publish } = await open()
  t.teardown(() => stack.close())

  await t.test('IMP6, IMP15, I15: fetched, stored, active', async (t) => {
    const bytes = randomBytes(3 << 20)
    const { id } = await stack.create(P1)
    const answer = await download(stack, id, publish('/one', bytes))
    t.equal(answer.status, 202)
    t.equal(answer.body, '')
    t.match(await over(stack, id), {
      status: 'active',
      size: bytes.length,
      stores: 'main',
      checksum: digest(bytes, 'md5'),
      os_hash_algo: 'sha256',
      os_hash_value: digest(bytes),
      os_glance_importing_to_stores: '',
      os_glance_failed_import: ''
    })
    t.ok(holds(main, bytes))
    t.match(await tasks(stack, id), [
      {
        type: 'api_image_import',
        status: 'success',
        owner: 'P1',
        request_id: answer.headers['x-openstack-request-id'],
        input: {
          image_id: id,
          backend: ['main'],
          import_req: { method: { name: 'web-download', uri: `${BASE}/one` } }
        }
      }
    ])
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.ok(file.body.equals(bytes))
    const again = await download(stack, id, `${BASE}/one`)
    t.equal(again.status, 409, 'IMP10')
  })

  await t.test('IMP13: queued, importing, active; one at a time', async (t) => {
    const bytes = randomBytes(100_000)
    const { id } = await stack.create(P1)
    const { opened, open: release } = gate()
    main.faults = { putWaits: opened }
    const begun = main.putBegun()
    const uri = publish('/states', bytes)
    await download(stack, id, uri)
    await begun
    t.match(await show(stack, id), {
      status: 'importing',
      size: null,
      checksum: null,
      os_glance_importing_to_stores: 'main',
      os_glance_failed_import: ''
    })
    t.equal((await download(stack, id, uri)).status, 409)
    t.equal((await stack.upload(P1, id, 'data')).status, 409)
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 204)
    release()
    t.match(await over(stack, id), { status: 'active', os_hash_value: digest(bytes) })
    main.faults = {}
  })

  await t.test('IMP7, S-07, S-18: what the URL itself shows', async (t) => {
    const { id } = await stack.create(P1)
    for (const uri of [
      undefined,
      5,
      '',
      'no url',
      'file:///etc/passwd',
      'ftp://outside.test/x',
      'http://elsewhere.test/x',
      'http://ann:secret@outside.test/x',
      'http://outside.test\\@elsewhere.test/',
      'http://OUTSIDE%2etest/x',
      'http://①②⑦.0.0.1/',
      'http://127.1/',
      'http://2130706433/',
      'http://0x7f000001/',
      'http://0177.0.0.1/',
      `http://outside.test/${'x'.repeat(2048)}`
    ]) {
      const { status, body } = await download(stack, id, uri)
      t.equal(status, 400, String(uri))
      t.match(body.error.message, 'does not pass filtering')
    }
    t.match(await show(stack, id), { status: 'queued' })
    t.same(await tasks(stack, id), [])
  })

  await t.test('IMP11, IMP12, STO8: what is refused, and in which order', async (t) => {
    const uri = publish('/order', Buffer.from('x'))
    t.equal((await download(stack, randomUUID(), uri)).status, 404)
    const bare = await stack.create(P1, { container_format: null })
    t.equal((await download(stack, bare.id, uri)).status, 409)
    const shared = await stack.create(P1, { visibility: 'community' })
    t.equal((await download(stack, shared.id, uri, {}, P2)).status, 403)
    const secret = await stack.create(P1, { visibility: 'private' })
    t.equal((await download(stack, secret.id, uri, {}, P2)).status, 404)
    const { id } = await stack.create(P1)
    t.equal((await download(stack, id, uri, { stores: ['nowhere'] })).status, 409)
    t.equal((await download(stack, id, uri, { stores: ['web'] })).status, 409, 'STO11')
    const both = await download(stack, id, uri, { stores: ['b'], all_stores: true })
    t.equal(both.status, 400, 'I9')
    t.same(await tasks(stack, id), [])
  })

  await t.test('STO3, IMP20, H3: to several stores, fetched once', async (t) => {
    const bytes = randomBytes(200_000)
    const uri = publish('/several', bytes)
    for (const more of [{ stores: ['b', 'main'] }, { all_stores: true }]) {
      const { id } = await stack.create(P1)
      const gets = web.gets
      await download(stack, id, uri, more)
      t.match(await over(stack, id), { status: 'active', stores: 'main,b' })
      t.equal(web.gets, gets + 1, 'the other one is a copy of the first')
      for (const store of [main, b]) t.ok(holds(store, bytes))
    }
  })

  await t.test('STO4, IMP21: one store fails', async (t) => {
    const bytes = randomBytes(50_000)
    const uri = publish('/fails', bytes)
    const { id } = await stack.create(P1)
    b.faults = { fails: 'FULL' }
    await download(stack, id, uri, { stores: ['main', 'b'] })
    const failed = await over(stack, id)
    t.match(failed, { status: 'queued', size: null, os_glance_failed_import: 'b' })
    t.match(failed, { os_hash_value: null, os_glance_importing_to_stores: '' })
    t.notOk('stores' in failed)
    t.match(await tasks(stack, id), [
      { status: 'failure', message: 'The store has no room for the image' }
    ])
    await until('nothing is left', 5000, () => (holds(main, bytes) ? undefined : true))
    await download(stack, id, uri, { stores: ['b', 'main'], all_stores_must_succeed: false })
    t.match(await over(stack, id), {
      status: 'active',
      stores: 'main',
      os_hash_value: digest(bytes),
      os_glance_failed_import: 'b'
    })
    b.faults = {}
  })

  await t.test('IMP8, IMP21, S-17: what cannot be fetched looks alike', async (t) => {
    const bytes = randomBytes(100_000)
    const failures = []
    for (const [uri, faults] of [
      [`${BASE}/missing`, {}],
      [publish('/away', bytes), { fails: 'UNAVAILABLE' as const }],
      [publish('/silent', bytes), { hangs: true }],
      [publish('/broken', bytes), { breaksAfter: 30_000 }]
    ] as const) {
      const { id } = await stack.create(P1)
      const puts = main.bytes.size
      web.faults = faults
      t.equal((await download(stack, id, uri)).status, 202, uri)
      t.match(await over(stack, id), {
        status: 'queued',
        size: null,
        checksum: null,
        os_glance_failed_import: 'main'
      })
      const [task] = await tasks(stack, id)
      failures.push(`${task.status} ${task.message}`)
      t.equal(main.bytes.size, puts, 'nothing is stored')
      web.faults = {}
      t.equal((await stack.upload(P1, id, 'data')).status, 204, 'it can be used otherwise')
    }
    t.equal(new Set(failures).size, 1, failures.join(' | '))
    t.match(failures[0], /^failure ./)
  })

  await t.test('the size is not known before', async (t) => {
    const bytes = randomBytes(70_000)
    web.faults = { hidesSize: true }
    const { id } = await stack.create(P1)
    await download(stack, id, publish('/unsized', bytes))
    t.match(await over(stack, id), { size: bytes.length, os_hash_value: digest(bytes) })
    web.faults = {}
  })

  await t.test('DEL6, S-15: the image is deleted while it is fetched', async (t) => {
    const { id } = await stack.create(P1)
    web.faults = { breaksAfter: 3000, silently: true }
    const begun = main.putBegun()
    const before = main.bytes.size
    await download(stack, id, publish('/deleted', randomBytes(10_000)))
    await begun
    t.equal(web.open, 1)
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    await until('the fetching has ended', 5000, () => (web.open === 0 ? true : undefined))
    web.faults = {}
    t.equal(main.bytes.size, before)
    const again = await stack.json(P1, 'POST', '/v2/images', { id })
    t.equal(again.status, 409, 'its id is taken for ever')
  })

  await t.test('IMP22: 20 at once, none is lost', async (t) => {
    const uri = publish('/many', randomBytes(1000))
    const images = await Promise.all(Array.from({ length: 20 }, () => stack.create(P1)))
    const answers = await Promise.all(images.map(({ id }) => download(stack, id, uri)))
    for (const { status } of answers) t.equal(status, 202)
    for (const { id } of images) t.match(await over(stack, id), { status: 'active' })
  })
})

t.test('S-06: the cap counts what comes', async (t) => {
  const { stack, web, main, publish } = await open({}, { imageSizeCap: 1000 })
  t.teardown(() => stack.close())
  const uri = publish('/large', randomBytes(50_000))
  for (const faults of [{}, { hidesSize: true }]) {
    web.faults = faults
    const { id } = await stack.create(P1)
    await download(stack, id, uri)
    t.match(await over(stack, id), { status: 'queued', os_glance_failed_import: 'main' })
    t.match(await tasks(stack, id), [{ status: 'failure', message: /at most 1000 bytes/ }])
    t.equal(main.bytes.size, 0)
  }
})

t.test('QTA2, QTA6: what is fetched has to fit', async (t) => {
  const { stack, main, publish } = await open({ quotas: { bytes: 250 } })
  t.teardown(() => stack.close())
  const first = await stack.create(P1)
  await download(stack, first.id, publish('/first', randomBytes(100)))
  t.match(await over(stack, first.id), { status: 'active' })
  const { id } = await stack.create(P1)
  await download(stack, id, `${BASE}/first`, { all_stores: true })
  t.match(await over(stack, id), { status: 'queued', size: null })
  t.match(await tasks(stack, id), [{ status: 'failure', message: /image_size_total is over/ }])
  await until('nothing is left of it', 5000, () => (main.bytes.size === 1 ? true : undefined))
  await until('and the room is there again', 5000, async () => {
    const { stored_bytes, reserved_bytes } = await stack.registry.usage('P1')
    return stored_bytes === 100 && reserved_bytes === 0 ? true : undefined
  })
  await download(stack, id, `${BASE}/first`)
  t.match(await over(stack, id), { status: 'active' })
})

t.test('S-09: what is asked for and deleted, early or late, piles nothing up', async (t) => {
  const { stack, main, b, web, publish } = await open()
  t.teardown(() => stack.close())
  const uri = publish('/loop', randomBytes(100_000))
  web.faults = { slow: 3 }
  const moments = ['queued', 'importing', 'active']
  const round = async (_: unknown, n: number) => {
    const { id } = await stack.create(P1)
    t.equal((await download(stack, id, uri, { all_stores: true })).status, 202)
    const moment = n % moments.length
    await until(`image ${n} is ${moments[moment]}`, 30_000, async () =>
      moments.indexOf((await show(stack, id)).status) >= moment ? true : undefined
    )
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
  }
  await Promise.all(Array.from({ length: 30 }, round))
  const nothing = { images: 0, stored_bytes: 0, reserved_bytes: 0, uploads: 0 }
  await until('everything is given back', 10_000, async () => {
    const { images, stored_bytes, reserved_bytes, uploads } = await stack.registry.usage('P1')
    const left = images + stored_bytes + reserved_bytes + uploads
    return left === 0 && web.open === 0 ? true : undefined
  })
  t.match(await stack.registry.usage('P1'), nothing)
  for (const store of [main, b]) t.equal(store.bytes.size, 0)
})

t.test('IMP1, IMP12: without a store of the web it is not offered', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const info = await stack.json(P1, 'GET', '/v2/info/import')
  t.notOk(info.body['import-methods'].value.includes('web-download'))
  const made = await stack.json(P1, 'POST', '/v2/images', {})
  t.notMatch(made.headers['openstack-image-import-methods'], 'web-download')
  const { id } = await stack.create(P1)
  t.equal((await download(stack, id, `${BASE}/x`)).status, 400)
})

t.test(
  'a worker that loses its lease: another API goes on, and fetches nothing again',
  async (t) => {
    const registry = { leaseSeconds: 1, heartbeatSeconds: 0.2, sweepSeconds: 0.1 }
    const { stack, web, main, b, publish } = await open(registry, { jobs: { concurrency: 0 } })
    t.teardown(() => stack.close())
    const bytes = randomBytes(200_000)
    const { id } = await stack.create(P1)
    let isCut = false
    const lonely = await stack.openApi({ jobs: MOVES }, (client) => cutOff(client, () => isCut))
    t.teardown(() => lonely.stop())
    b.faults = { putWaits: new Promise(() => {}) }
    const begun = b.putBegun()
    await download(stack, id, publish('/lost', bytes), { stores: ['main', 'b'] })
    await begun
    isCut = true
    b.faults = {}
    const heir = await stack.openApi({ jobs: MOVES })
    t.teardown(() => heir.stop())
    t.match(await over(stack, id), { status: 'active', stores: 'main,b' })
    t.equal(web.gets, 1, 'what lay in the first store was enough')
    t.equal(main.puts, 1)
    t.ok(holds(b, bytes))
    t.match(await tasks(stack, id), [{ status: 'success' }])
  }
)

t.test('a worker that is stopped gives its work back', async (t) => {
  const { stack, main, publish } = await open({}, { jobs: { concurrency: 0 } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(1000)
  const { id } = await stack.create(P1)
  const first = await stack.openApi({ jobs: MOVES })
  main.faults = { putWaits: new Promise(() => {}) }
  const begun = main.putBegun()
  await download(stack, id, publish('/back', bytes))
  await begun
  await first.stop()
  main.faults = {}
  t.match(await tasks(stack, id), [{ status: 'pending' }])
  const second = await stack.openApi({ jobs: MOVES })
  t.teardown(() => second.stop())
  t.match(await over(stack, id), { status: 'active', os_hash_value: digest(bytes) })
  t.equal((await stack.json(ADMIN, 'GET', `/v2/images/${id}/tasks`)).body.tasks.length, 1)
})
