import { randomUUID } from 'node:crypto'
import t from 'tap'
import { ADMIN, openStack, P1, P2, READER } from '../../src/stack.ts'

const ALWAYS_PRESENT = [
  'id',
  'name',
  'status',
  'visibility',
  'protected',
  'os_hidden',
  'owner',
  'tags',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema'
]

t.test('create, show, delete, actions', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const post = (body: unknown, who = P1) => stack.json(who, 'POST', '/v2/images', body)
  const show = (id: string, who = P1) => stack.json(who, 'GET', `/v2/images/${id}`)

  await t.test('CRE1, VIS4: {} has all defaults and every key', async (t) => {
    const { status, body } = await post({})
    t.equal(status, 201)
    t.same(Object.keys(body).sort(), [...ALWAYS_PRESENT].sort())
    t.match(body, {
      name: null,
      status: 'queued',
      visibility: 'shared',
      owner: 'P1',
      protected: false,
      os_hidden: false,
      tags: [],
      container_format: null,
      disk_format: null,
      min_disk: 0,
      min_ram: 0,
      size: null,
      checksum: null,
      os_hash_algo: null,
      self: `/v2/images/${body.id}`,
      file: `/v2/images/${body.id}/file`,
      schema: '/v2/schemas/image'
    })
    t.match(body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    t.equal(body.visibility, 'shared', 'VIS4')
  })

  await t.test('CRE2: headers of a creation', async (t) => {
    const { headers, body } = await post({})
    t.equal(headers.location, `${stack.url}/v2/images/${body.id}`)
    t.equal(headers['openstack-image-store-ids'], 'main,second')
    t.equal(headers['openstack-image-import-methods'], 'glance-direct,copy-image')
  })

  await t.test('CRE3, CRE20, SHW1: what is given comes back', async (t) => {
    const given = {
      name: 'Ünïcode 🐧',
      container_format: 'bare',
      disk_format: 'qcow2',
      tags: ['a', 'B c'],
      min_disk: 5,
      min_ram: 512,
      protected: true,
      visibility: 'private',
      os_hidden: true,
      os_distro: 'debian',
      hw_disk_bus: 'virtio'
    }
    const created = await post(given)
    t.equal(created.status, 201)
    t.match(
      { ...created.body, tags: [...created.body.tags].sort() },
      { ...given, tags: ['B c', 'a'] }
    )
    t.same((await show(created.body.id)).body, created.body)
  })

  await t.test(
    'CRE4, S-15: a given id is used, in any letter case, once and for ever',
    async (t) => {
      const id = randomUUID().toUpperCase()
      t.equal((await post({ id })).body.id, id)
      t.equal((await show(id.toLowerCase())).body.id, id)
      t.equal((await post({ id: id.toLowerCase() })).status, 409)
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
      t.equal((await post({ id })).status, 409, 'S-15: ids of deleted images stay taken')
    }
  )

  await t.test('CRE5, CRE6, CRE7, CRE8: values that are not allowed are 400', async (t) => {
    for (const body of [
      { id: 'not-a-uuid' },
      { id: 5 },
      { container_format: 'wrong' },
      { disk_format: 'wrong' },
      { visibility: 'everyone' },
      { protected: 'true' },
      { os_hidden: 1 },
      { name: 5 },
      { name: 'x'.repeat(256) },
      { tags: 'a' },
      { tags: [5] },
      { some: 5 },
      { some: null },
      { some: ['x'] },
      { some: {} },
      { some: true },
      { some: 'nul\u0000' },
      { min_ram: -1 },
      { min_disk: -1 },
      { min_ram: 2 ** 31 },
      { min_disk: 1.5 },
      { '': 'x' }
    ]) {
      t.equal((await post(body)).status, 400, JSON.stringify(body).slice(0, 60))
    }
  })

  await t.test('CRE9: another owner', async (t) => {
    const refused = await post({ owner: 'P2' })
    t.equal(refused.status, 403)
    t.match(refused.body.error.message, "You are not permitted to create images owned by 'P2'")
    t.equal((await post({ owner: 'P1' })).status, 201)
    t.equal((await post({ owner: 'P2' }, ADMIN)).body.owner, 'P2')
  })

  await t.test('CRE10: public is for admins, community for members', async (t) => {
    t.equal((await post({ visibility: 'public' })).status, 403)
    t.equal((await post({ visibility: 'public' }, ADMIN)).status, 201)
    t.equal((await post({ visibility: 'community' })).status, 201)
  })

  await t.test('CRE11, CRE12, S-11: attributes of the service are 403', async (t) => {
    const now = '2026-01-01T00:00:00Z'
    for (const body of [
      { status: 'active' },
      { size: 5 },
      { virtual_size: 5 },
      { checksum: 'd41d8cd98f00b204e9800998ecf8427e' },
      { created_at: now },
      { updated_at: now },
      { os_hash_algo: 'sha256' },
      { os_hash_value: 'abc' },
      { direct_url: 'x' },
      { self: 'x' },
      { file: 'x' },
      { schema: 'x' },
      { stores: 'main' },
      { locations: [] },
      { location: 'x' },
      { deleted: 'x' },
      { os_glance_import_task: 'x' }
    ]) {
      t.equal((await post(body)).status, 403, JSON.stringify(body))
    }
    t.equal((await post({ size: 'five' })).status, 400, 'C4: a wrong type is 400')
  })

  await t.test('CRE13, S-42: bodies that are no JSON object are 400', async (t) => {
    for (const body of ['', '{', '"text"', '5', 'null', '[]', '{"name":"\xff"}', '['.repeat(40)]) {
      const answer = await stack.call(P1, 'POST', '/v2/images', {
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(body, 'latin1')
      })
      t.equal(answer.status, 400, body.slice(0, 20))
    }
    const large = await post({ x: 'y'.repeat(1 << 20) })
    t.equal(large.status, 413)
  })

  await t.test('CRE14, CRE15, CRE17: lengths and counts', async (t) => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => `t${i}`)
    const map = (n: number) => Object.fromEntries(many(n).map((name) => [name, 'x']))
    t.equal((await post({ tags: ['x'.repeat(256)] })).status, 400)
    t.equal((await post({ tags: ['🐧'.repeat(255)] })).status, 201, 'DM0: code points count')
    t.equal((await post({ tags: many(129) })).status, 413)
    t.equal((await post({ tags: many(128) })).status, 201)
    t.equal((await post(map(129))).status, 413)
    t.equal((await post(map(128))).status, 201)
    t.equal((await post({ ['n'.repeat(256)]: 'x' })).status, 400)
    t.equal((await post({ ['n'.repeat(255)]: 'x' })).status, 201)
    t.equal((await post({ text: 'x'.repeat(60_000) })).status, 201)
    t.same((await post({ tags: ['a', 'a', 'b'] })).body.tags.sort(), ['a', 'b'])
  })

  await t.test('CRE16: readers and strangers', async (t) => {
    t.equal((await post({}, READER)).status, 403)
    t.equal((await stack.json(null, 'POST', '/v2/images', {})).status, 401)
    t.equal((await post({}, { user: 'u', roles: 'member' })).status, 403, 'C9: no project')
  })

  await t.test('CRE18: the media type of the body does not matter', async (t) => {
    for (const type of [
      'application/octet-stream',
      'application/x-www-form-urlencoded',
      'text/x'
    ]) {
      const answer = await stack.call(P1, 'POST', '/v2/images', {
        headers: { 'content-type': type },
        body: '{"name":"n"}'
      })
      t.equal(answer.status, 201, type)
    }
  })

  await t.test('CRE19, N7: property names of any kind', async (t) => {
    const body = '{"__proto__":"a","constructor":"b","hw:x.y/z":"c","toString":"d","null":"null"}'
    const answer = await stack.call(P1, 'POST', '/v2/images', { body })
    t.equal(answer.status, 201)
    const { id } = JSON.parse(answer.body.toString())
    const shown = (await stack.call(P1, 'GET', `/v2/images/${id}`)).body.toString()
    t.match(shown, /"__proto__": ?"a"/)
    t.match(JSON.parse(shown), { constructor: 'b', 'hw:x.y/z': 'c', toString: 'd', null: 'null' })
    const patched = await stack.patch(P1, id, [{ op: 'replace', path: '/__proto__', value: 'z' }])
    t.equal(patched.status, 200)
    t.equal(Object.getOwnPropertyDescriptor(patched.body, '__proto__')?.value, 'z')
  })

  await t.test('SHW2, SHW3, S-01: what is not there or not visible is 404', async (t) => {
    for (const id of [randomUUID(), 'my-image', '%20', 'a%2Fb'])
      t.equal((await show(id)).status, 404, id)
    t.equal((await stack.call(P1, 'GET', '/v2/images/')).status, 404)
    const [priv, pub, community] = await Promise.all([
      stack.create(P1, { visibility: 'private' }),
      stack.create(ADMIN, { visibility: 'public' }),
      stack.create(P1, { visibility: 'community' })
    ])
    const foreign = await show(priv.id, P2)
    t.equal(foreign.status, 404)
    t.same(foreign.body, (await show(randomUUID(), P2)).body, 'S-01: same body as absent')
    t.equal((await show(pub.id, P2)).status, 200)
    t.equal((await show(community.id, P2)).status, 200)
  })

  await t.test('DEL1, DEL3: deletion', async (t) => {
    const { id } = await stack.create(P1)
    const path = `/v2/images/${id}`
    const gone = await stack.call(P1, 'DELETE', path)
    t.equal(gone.status, 204)
    t.equal(gone.body.length, 0)
    for (const method of ['GET', 'DELETE'])
      t.equal((await stack.call(P1, method, path)).status, 404)
    t.equal((await stack.patch(P1, id, [])).status, 404)
    t.equal((await stack.json(ADMIN, 'GET', path)).status, 404, 'DM7: for admins too')
    const { body } = await stack.json(P1, 'GET', '/v2/images?limit=1000')
    t.notOk(body.images.some((image: { id: string }) => image.id === id))
    const [pub, priv] = [
      await stack.create(ADMIN, { visibility: 'public' }),
      await stack.create(P2, { visibility: 'private' })
    ]
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${pub.id}`)).status, 403)
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${priv.id}`)).status, 404)
    t.equal((await stack.call(P1, 'DELETE', '/v2/images/')).status, 404)
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${randomUUID()}`)).status, 404)
  })

  await t.test('DEL2: protected images stay', async (t) => {
    const { id } = await stack.create(P1, { protected: true })
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 403)
    t.equal((await stack.call(ADMIN, 'DELETE', `/v2/images/${id}`)).status, 403)
    await stack.patch(P1, id, [{ op: 'replace', path: '/protected', value: false }])
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
  })

  await t.test('DEL4, ACT1, ACT3, ACT4, ACT6, PAT20: deactivated and active images', async (t) => {
    const { id } = await stack.create(P1)
    const act = (action: string, who = P1) =>
      stack.call(who, 'POST', `/v2/images/${id}/actions/${action}`)
    t.equal((await act('deactivate')).status, 403, 'ACT4: a queued image')
    await stack.upload(P1, id, 'data')
    t.equal((await act('reactivate')).status, 204, 'an active one: nothing to do')
    t.equal((await act('deactivate')).status, 204)
    t.equal((await act('deactivate')).status, 204, 'twice')
    t.equal((await show(id)).body.status, 'deactivated')
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 403, 'B3 owner')
    const admin = await stack.call(ADMIN, 'GET', `/v2/images/${id}/file`)
    t.equal(admin.status, 200, 'B3 admin')
    t.equal(admin.body.toString(), 'data')
    const renamed = await stack.patch(P1, id, [{ op: 'replace', path: '/name', value: 'n2' }])
    t.equal(renamed.status, 200, 'PAT20')
    t.equal((await act('reactivate')).status, 204)
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 200)
    await act('deactivate')
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
  })

  await t.test('ACT2: content types without a body', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, 'data')
    for (const type of ['application/json', 'application/octet-stream']) {
      for (const action of ['deactivate', 'reactivate']) {
        const answer = await stack.call(P1, 'POST', `/v2/images/${id}/actions/${action}`, {
          headers: { 'content-type': type }
        })
        t.equal(answer.status, 204, `${action} ${type}`)
      }
    }
  })

  await t.test('ACT5: foreign images', async (t) => {
    const pub = await stack.create(ADMIN, { visibility: 'public' })
    const priv = await stack.create(P2, { visibility: 'private' })
    const act = (id: string) => stack.call(P1, 'POST', `/v2/images/${id}/actions/deactivate`)
    t.equal((await act(pub.id)).status, 403)
    t.equal((await act(priv.id)).status, 404)
  })
})
