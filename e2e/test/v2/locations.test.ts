import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, openStack, P1, P2, READER, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const STORES = { main: { use: 'a' }, web: { use: 'web', weight: 5 } }
const SERVICE = { project: 'svc', user: 'nova', roles: 'service' }
/** A member whose request comes through a service. */
const THROUGH = { ...P1, serviceRoles: 'service' }
const BASE = 'http://outside.test'

async function open(api: Record<string, unknown> = {}) {
  const web = new FakeStore()
  const main = new FakeStore()
  const stack = await openStack({
    api: {
      stores: STORES,
      defaultStore: 'main',
      jobs: { pollSeconds: 0.3 },
      transfers: { storeSeconds: 0.5 },
      ...api
    },
    plugins: { a: main.plugin(), web: web.plugin('web') }
  })
  return { stack, web, main }
}

const show = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}`)).body
const tasks = async (stack: Stack, id: string) =>
  (await stack.json(ADMIN, 'GET', `/v2/images/${id}/tasks`)).body.tasks
const add = (stack: Stack, id: string, body: unknown, who: object = P1) =>
  stack.json(who, 'POST', `/v2/images/${id}/locations`, body)
const digest = (bytes: Buffer, algorithm = 'sha256') =>
  createHash(algorithm).update(bytes).digest('hex')

/** Waits until the work on an image is over. */
const over = (stack: Stack, id: string) =>
  until(`the location of ${id} is settled`, 15_000, async () => {
    const image = await show(stack, id)
    return 'os_glance_import_task' in image ? undefined : image
  })

t.test('outside locations', async (t) => {
  const { stack, web, main } = await open()
  t.teardown(() => stack.close())
  const bytes = randomBytes(200_000)
  const publish = (path: string, data: Buffer = bytes) => {
    web.bytes.set(`${BASE}${path}`, data)
    return `${BASE}${path}`
  }

  await t.test('LCA1, LA5, LA7: active from its size on, digests follow', async (t) => {
    const { id } = await stack.create(P1, { visibility: 'community' })
    const answer = await add(stack, id, { url: publish('/plain') }, SERVICE)
    t.equal(answer.status, 202)
    t.equal(answer.body, '')
    t.match(await over(stack, id), {
      status: 'active',
      size: bytes.length,
      stores: 'web',
      checksum: digest(bytes, 'md5'),
      os_hash_algo: 'sha256',
      os_hash_value: digest(bytes)
    })
    t.match(await tasks(stack, id), [
      {
        type: 'location_import',
        status: 'success',
        request_id: answer.headers['x-openstack-request-id'],
        input: { image_id: id, loc_url: `${BASE}/plain` }
      }
    ])
  })

  await t.test('LCA2, LA6: digests that are given are checked', async (t) => {
    for (const algorithm of ['sha256', 'sha512', 'sha1', 'md5']) {
      const { id } = await stack.create(P1)
      const data = { os_hash_algo: algorithm, os_hash_value: digest(bytes, algorithm) }
      await add(stack, id, { url: publish('/checked'), validation_data: data })
      t.match(await over(stack, id), { status: 'active', size: bytes.length, ...data })
    }
    const { id } = await stack.create(P1)
    const wrong = { os_hash_algo: 'sha256', os_hash_value: 'ab'.repeat(32) }
    t.equal(
      (await add(stack, id, { url: publish('/checked'), validation_data: wrong })).status,
      202
    )
    const image = await over(stack, id)
    t.match(image, { status: 'queued', size: null, checksum: null, os_hash_value: null })
    t.notOk('stores' in image)
    t.match(await tasks(stack, id), [{ status: 'failure', message: /another digest/ }])
    t.same((await stack.json(ADMIN, 'GET', `/v2/images/${id}/locations`)).body, [])
    t.equal((await stack.upload(P1, id, 'data')).status, 204, 'it can be used otherwise')
  })

  await t.test('LCA3, LA3, LA4: who may add what', async (t) => {
    const url = publish('/who')
    const shared = await stack.create(P1, { visibility: 'community' })
    t.equal((await add(stack, shared.id, { url }, P2)).status, 403)
    t.equal((await add(stack, shared.id, { url }, READER)).status, 403)
    const secret = await stack.create(P1, { visibility: 'private' })
    t.equal((await add(stack, secret.id, { url }, P2)).status, 404)
    t.equal((await add(stack, secret.id, { url }, SERVICE)).status, 404, 'it widens no sight')
    for (const who of [P1, ADMIN, THROUGH, SERVICE]) {
      for (const bad of ['ftp://outside.test/x', 'swift+config://a/b', 'FILE:///etc/passwd']) {
        const { status } = await add(stack, shared.id, { url: bad }, who)
        t.equal(status, 403, `S-07 ${bad}`)
      }
    }
    for (const who of [P1, ADMIN, THROUGH]) {
      const { id } = await stack.create(P1)
      t.equal((await add(stack, id, { url }, who)).status, 202)
      t.match(await over(stack, id), { status: 'active' })
    }
  })

  await t.test('LCA4, LA2: only to queued images, one at a time', async (t) => {
    const url = publish('/one')
    const used = await stack.create(P1)
    await stack.upload(P1, used.id, 'data')
    t.equal((await add(stack, used.id, { url })).status, 409)
    const { id } = await stack.create(P1)
    web.faults = { slow: 30 }
    const answers = await Promise.all(Array.from({ length: 20 }, () => add(stack, id, { url })))
    t.equal(answers.filter(({ status }) => status === 202).length, 1)
    t.equal(answers.filter(({ status }) => status === 409).length, 19)
    t.equal((await stack.upload(P1, id, 'data')).status, 409, 'nor an upload')
    web.faults = {}
    t.match(await over(stack, id), { status: 'active' })
  })

  await t.test('LCA5: where data lies is shown to services and administrators', async (t) => {
    const { id } = await stack.create(P1, { visibility: 'community' })
    const path = `/v2/images/${id}/locations`
    t.same((await stack.json(SERVICE, 'GET', path)).body, [])
    const url = `${publish('/shown')}#new`
    web.bytes.set(url, bytes)
    t.equal((await add(stack, id, { url })).status, 202, 'LA9 a fragment')
    await over(stack, id)
    for (const who of [SERVICE, ADMIN]) {
      t.same((await stack.json(who, 'GET', path)).body, [{ url, metadata: { store: 'web' } }])
    }
    for (const who of [P1, P2]) t.equal((await stack.json(who, 'GET', path)).status, 403)
    const secret = await stack.create(P1, { visibility: 'private' })
    const hidden = `/v2/images/${secret.id}/locations`
    t.equal((await stack.json(SERVICE, 'GET', hidden)).status, 404)
  })

  await t.test('LCA6, LA0, LA1, PL5: what is no location', async (t) => {
    const { id } = await stack.create(P1)
    const url = publish('/form')
    const algorithm = { os_hash_algo: 'sha256' }
    const long = (length: number) => `${BASE}/`.padEnd(length, 'x')
    for (const bad of [
      {},
      { url: 5 },
      { url: '' },
      { url: 'no url' },
      { url: 'http://user:secret@outside.test/x' },
      { url: 'http://outside.test/ä' },
      { url: long(256) },
      { url, more: 1 },
      { url, validation_data: 'x' },
      { url, validation_data: { os_hash_algo: 'crc32', os_hash_value: 'ab' } },
      { url, validation_data: algorithm },
      { url, validation_data: { os_hash_value: 'ab' } },
      { url, validation_data: { ...algorithm, os_hash_value: 'ab' } },
      { url, validation_data: { ...algorithm, os_hash_value: 'zz'.repeat(32) } },
      { url, validation_data: { ...algorithm, os_hash_value: 'ab'.repeat(32), x: 1 } }
    ]) {
      t.equal((await add(stack, id, bad)).status, 400, JSON.stringify(bad))
    }
    t.equal((await add(stack, randomUUID(), { url: long(255) })).status, 404)
    t.equal((await add(stack, randomUUID(), { url: 5 })).status, 400, 'before the image')
    t.equal((await add(stack, randomUUID(), { url })).status, 404)
    t.match(await show(stack, id), { status: 'queued' })
    t.same(await tasks(stack, id), [])
  })

  await t.test('S-17: what cannot be fetched looks alike', async (t) => {
    const failures = []
    for (const [url, faults] of [
      [`${BASE}/missing`, {}],
      ['http://127.0.0.1/filtered', {}],
      [publish('/away'), { fails: 'UNAVAILABLE' as const }],
      [publish('/silent'), { hangs: true }]
    ] as const) {
      const { id } = await stack.create(P1)
      web.faults = faults
      const { status, body } = await add(stack, id, { url })
      t.equal(status, 202, url)
      t.equal(body, '')
      t.match(await over(stack, id), { status: 'queued', size: null })
      const [task] = await tasks(stack, id)
      failures.push(`${task.status} ${task.message}`)
      web.faults = {}
    }
    t.equal(new Set(failures).size, 1, failures.join(' | '))
  })

  await t.test('the size is not known: it is counted first', async (t) => {
    web.faults = { hidesSize: true }
    const { id } = await stack.create(P1)
    await add(stack, id, { url: publish('/unsized') })
    t.match(await over(stack, id), {
      status: 'active',
      size: bytes.length,
      os_hash_value: digest(bytes)
    })
    web.faults = {}
  })

  await t.test('DWN1, DWN4: its data is served, by whole and by range', async (t) => {
    const { id } = await stack.create(P1)
    await add(stack, id, { url: publish('/served') })
    await over(stack, id)
    const file = `/v2/images/${id}/file`
    const whole = await stack.call(P1, 'GET', file)
    t.equal(whole.status, 200)
    t.ok(whole.body.equals(bytes))
    t.equal(whole.headers.etag, `"${digest(bytes)}"`)
    const part = await stack.call(P1, 'GET', file, { headers: { range: 'bytes=10-19' } })
    t.equal(part.status, 206)
    t.ok(part.body.equals(bytes.subarray(10, 20)))
    web.faults = { fails: 'UNAVAILABLE' }
    const away = await stack.call(P1, 'GET', file)
    t.equal(away.status, 503, 'B11')
    t.notMatch(away.body.toString(), /outside|on order/, 'S-02, S-17')
    web.faults = {}
    web.bytes.set(`${BASE}/served`, Buffer.concat([bytes, bytes]))
    t.equal((await stack.call(P1, 'GET', file)).status, 503, 'S-13 the origin has other data')
  })

  await t.test('the origin is never touched; a copy outlives it', async (t) => {
    const url = publish('/kept')
    const [one, two] = [await stack.create(P1), await stack.create(P1)]
    for (const { id } of [one, two]) {
      await add(stack, id, { url })
      await over(stack, id)
    }
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${one.id}`)).status, 204)
    const body = { method: { name: 'copy-image' }, stores: ['main'] }
    await stack.json(ADMIN, 'POST', `/v2/images/${two.id}/import`, body)
    t.match(await over(stack, two.id), { stores: 'web,main' })
    const removed = await stack.json(ADMIN, 'DELETE', `/v2/stores/web/${two.id}`)
    t.equal(removed.status, 204)
    t.ok(web.bytes.has(url))
    t.equal(web.deletes, 0)
    web.faults = { fails: 'UNAVAILABLE' }
    const file = await stack.call(P1, 'GET', `/v2/images/${two.id}/file`)
    t.ok(file.body.equals(bytes))
    web.faults = {}
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${two.id}`)).status, 204)
    await until('the copy is gone', 5000, () => {
      const left = [...main.bytes.values()].some((stored) => stored.equals(bytes))
      return left ? undefined : true
    })
  })

  await t.test('a changed origin never continues a verified copy', async (t) => {
    const { id } = await stack.create(P1)
    await add(stack, id, { url: publish('/mixed') })
    await over(stack, id)
    const body = { method: { name: 'copy-image' }, stores: ['main'] }
    await stack.json(ADMIN, 'POST', `/v2/images/${id}/import`, body)
    await over(stack, id)
    publish('/mixed', randomBytes(bytes.length))
    main.faults = { breaksAfter: 100_000 }
    const answer = stack.call(P1, 'GET', `/v2/images/${id}/file?prefer=main`)
    await t.rejects(answer, 'cut, not mixed')
    main.faults = {}
  })

  await t.test('LOC1: locations are no attribute, and no patch sets them', async (t) => {
    const { id } = await stack.create(P1)
    t.notOk('locations' in (await show(stack, id)))
    const value = { url: publish('/patched'), metadata: {} }
    for (const who of [P1, ADMIN]) {
      const patched = await stack.patch(who, id, [{ op: 'add', path: '/locations/-', value }])
      t.equal(patched.status, 403)
    }
  })
})

t.test('LA8: without secure hashing digests are believed', async (t) => {
  const { stack, web } = await open({ locations: { secureHashing: false } })
  t.teardown(() => stack.close())
  const bytes = randomBytes(1000)
  const url = `${BASE}/believed`
  web.bytes.set(url, bytes)
  const said = { os_hash_algo: 'sha512', os_hash_value: 'ab'.repeat(64) }
  const one = await stack.create(P1)
  await add(stack, one.id, { url, validation_data: said })
  t.match(await over(stack, one.id), { status: 'active', size: 1000, checksum: null, ...said })
  const two = await stack.create(P1)
  await add(stack, two.id, { url })
  t.match(await over(stack, two.id), { status: 'active', size: 1000, os_hash_value: null })
  const file = await stack.call(P1, 'GET', `/v2/images/${two.id}/file`)
  t.ok(file.body.equals(bytes))
  t.equal(file.headers.etag, undefined, 'nothing is known to be the same')
  web.faults = { hidesSize: true }
  const three = await stack.create(P1)
  await add(stack, three.id, { url })
  t.match(await over(stack, three.id), { status: 'queued' }, 'its size could not be computed')
})

t.test('LA4: without a store of outside locations nobody adds any', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1)
  for (const who of [P1, ADMIN]) {
    t.equal((await add(stack, id, { url: `${BASE}/x` }, who)).status, 403)
  }
})
