import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { filesIn, waitForBytes } from '../../src/folder.ts'
import { ADMIN, openStack, P1, P2, READER } from '../../src/stack.ts'
import { DATA, meta, RAW, v1Of } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BYTES = Buffer.alloc(5120, 'v1')
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

t.test('writing by the Image API v1', async (t) => {
  const stack = await openStack({ api: { imageSizeCap: 1 << 20, limits: { properties: 3 } } })
  t.teardown(() => stack.close())
  const { post, put, remove, head, said, list, send } = v1Of(stack)
  const noBytes = () => waitForBytes(`${stack.root}/main`, 0, 10_000)

  await t.test('V1-02, V1-03, V1-11: an image is sent, shown, deleted', async (t) => {
    const made = await post(
      ADMIN,
      { ...DATA, ...meta({ ...RAW, name: 'n', is_public: 'True' }) },
      BYTES
    )
    t.equal(made.status, 201, made.text)
    t.match(made.image, {
      name: 'n',
      status: 'active',
      size: 5120,
      checksum: md5(BYTES),
      is_public: true,
      owner: 'ops',
      deleted: false,
      properties: {}
    })
    const { id } = made.image
    t.match(made.headers, { location: `${stack.url}/v1/images/${id}`, etag: md5(BYTES) })
    t.equal(await said(P2, id, 'name'), 'n')
    const removed = await remove(ADMIN, id)
    t.equal(removed.status, 200)
    t.equal(removed.text, '')
    t.strictSame(await list(ADMIN), [])
    t.match((await head(ADMIN, id)).headers, {
      'x-image-meta-status': 'deleted',
      'x-image-meta-deleted': 'True'
    })
    t.equal((await remove(ADMIN, id)).status, 404, 'a second time')
    t.equal((await put(ADMIN, id, meta({ name: 'x' }))).status, 403)
    t.equal((await put(P1, id, meta({ name: 'x' }))).status, 404)
    await noBytes()
  })

  await t.test('V1-13, V1-14: reserved first, sent later', async (t) => {
    const made = await post(P1, meta({ ...RAW, name: 'later' }))
    t.equal(made.status, 201)
    t.match(made.image, { status: 'queued', size: 0, checksum: null, is_public: false })
    t.notOk('etag' in made.headers)
    const { id } = made.image
    t.strictSame(
      (await list(P1)).map((image) => image.id),
      [id]
    )
    const sent = await put(P1, id, DATA, BYTES)
    t.equal(sent.status, 200, sent.text)
    t.match(sent.image, { status: 'active', size: 5120, checksum: md5(BYTES), name: 'later' })
    t.equal(sent.headers.etag, md5(BYTES))
    t.notOk('location' in sent.headers)
    t.equal(await said(P1, id, 'status'), 'active')
    t.equal((await list(P1)).length, 1)
    t.equal((await put(P1, id, DATA, BYTES)).status, 409, 'data never changes (S-13)')
    t.equal(await said(P1, id, 'checksum'), md5(BYTES))
    await remove(P1, id)
  })

  await t.test('V1-15, V1-16: an id of one’s own, once and for ever', async (t) => {
    const id = randomUUID()
    t.equal((await post(P1, meta({ id }))).image.id, id)
    t.equal((await post(P1, meta({ id }))).status, 409)
    await remove(P1, id)
    t.equal((await post(P1, meta({ id }))).status, 409, 'also when it is deleted')
    t.equal((await post(P1, meta({ id: 'no-uuid' }))).status, 400)
  })

  await t.test('V1-17: a body without its type is refused with a reason', async (t) => {
    for (const type of [{}, { 'content-type': 'text/plain' }]) {
      const refused = await post(P1, { ...type, ...meta(RAW) }, BYTES)
      t.equal(refused.status, 400)
      t.match(refused.text, /Content-Type must be application\/octet-stream/)
    }
    t.strictSame(await list(P1, '?changes-since=2020-01-01&status=queued'), [], 'nothing was made')
    const { id } = (await post(P1, meta(RAW))).image
    const refused = await put(P1, id, { 'content-type': 'text/plain' }, BYTES)
    t.equal(refused.status, 400)
    t.equal(await said(P1, id, 'status'), 'killed')
    const parameters = { 'content-type': 'Application/Octet-Stream; x=y' }
    t.equal((await post(P1, { ...parameters, ...meta(RAW) }, BYTES)).status, 201)
    const byTool = await send(P1, 'PUT', '/images', { ...DATA, ...meta(RAW) }, BYTES)
    t.equal(byTool.status, 405)
    t.equal(byTool.headers.allow, 'GET, POST')
    t.match(byTool.text, /-X POST -T FILE -H 'Content-Type: application\/octet-stream'/)
  })

  await t.test(
    'V1-18, V1-19, V1-20: formats are checked before anything is reserved',
    async (t) => {
      const before = (await list(P1)).length
      const wrong: [fields: Record<string, string>, says: string, body?: Buffer][] = [
        [{ disk_format: 'x', container_format: 'bare' }, "Invalid disk format 'x' for image"],
        [{ disk_format: '', container_format: 'bare' }, "Invalid disk format '' for image"],
        [{ disk_format: 'raw', container_format: 'x' }, "Invalid container format 'x' for image"],
        [{ disk_format: 'RAW' }, "Invalid disk format 'RAW' for image"],
        [
          { disk_format: 'ami', container_format: 'bare' },
          'Invalid mix of disk and container formats'
        ],
        [{ container_format: 'bare' }, "Invalid disk format 'None' for image", BYTES],
        [{ disk_format: 'raw' }, "Invalid container format 'None' for image", BYTES]
      ]
      for (const [fields, says, body] of wrong) {
        const refused = await post(
          P1,
          { ...(body === undefined ? {} : DATA), ...meta(fields) },
          body
        )
        t.equal(refused.status, 400)
        t.ok(refused.text.includes(says), refused.text)
      }
      t.equal((await list(P1)).length, before, 'nothing was made')
      const amazon = await post(P1, meta({ disk_format: 'ami' }))
      t.match(amazon.image, { disk_format: 'ami', container_format: 'ami' })
      const mixed = await put(P1, amazon.image.id, meta({ container_format: 'bare' }))
      t.equal(mixed.status, 400, 'also with what is stored')
      const { id } = (await post(P1, meta({ disk_format: 'raw' }))).image
      const refused = await put(P1, id, DATA, BYTES)
      t.equal(refused.status, 400)
      t.match(refused.text, /Invalid container format 'None' for image/)
      t.equal(await said(P1, id, 'status'), 'queued')
      const sent = await put(P1, id, { ...DATA, ...meta({ container_format: 'bare' }) }, BYTES)
      t.match(sent.image, { status: 'active', container_format: 'bare' })
    }
  )

  await t.test(
    'S-10: the formats of an image that has data are what it was judged by',
    async (t) => {
      const { id } = (await post(P1, { ...DATA, ...meta(RAW) }, BYTES)).image
      for (const fields of [{ disk_format: 'qcow2' }, { container_format: 'docker' }]) {
        const refused = await put(P1, id, meta(fields))
        t.equal(refused.status, 403, JSON.stringify(fields))
        t.match(refused.text, /only while the image is queued/)
      }
      const same = await put(P1, id, meta({ ...RAW, name: 'same' }))
      t.match(same.image, { ...RAW, name: 'same' })
    }
  )

  await t.test('V1-21: size and checksum bind, also when they were said earlier', async (t) => {
    const other = '0'.repeat(32)
    const wrong = [{ checksum: other }, { size: 5119 }, { size: 5121 }]
    for (const fields of wrong) {
      const id = randomUUID()
      const refused = await post(P1, { ...DATA, ...meta({ ...RAW, ...fields, id }) }, BYTES)
      t.equal(refused.status, 400, JSON.stringify(fields))
      t.equal(await said(P1, id, 'status'), 'killed')
      t.notMatch(await list(P1), [{ id }])
      const reserved = await post(P1, meta({ ...RAW, ...fields }))
      t.match(reserved.image, { status: 'queued', ...fields })
      t.equal((await put(P1, reserved.image.id, DATA, BYTES)).status, 400)
      t.equal(await said(P1, reserved.image.id, 'status'), 'killed')
    }
    for (const fields of [{ checksum: md5(BYTES).toUpperCase() }, { size: 5120 }]) {
      t.equal((await post(P1, { ...DATA, ...meta({ ...RAW, ...fields }) }, BYTES)).status, 201)
    }
    const { id } = (await post(P1, meta({ ...RAW, size: 1, checksum: other }))).image
    t.match((await put(P1, id, meta({ size: 5120, checksum: md5(BYTES) }))).image, { size: 5120 })
    t.equal((await put(P1, id, DATA, BYTES)).status, 200, 'they may be put right')
    const files = filesIn(`${stack.root}/main`).length
    await until('only whole images lie there', 10_000, async () =>
      (await list(P1)).filter(({ status }) => status === 'active').length === files
        ? true
        : undefined
    )
  })

  await t.test('S-06 V1-21: the cap counts what was said, and what comes', async (t) => {
    const said413 = await post(P1, { ...DATA, ...meta({ ...RAW, size: (1 << 20) + 1 }) }, BYTES)
    t.equal(said413.status, 400)
    const long = await post(P1, { ...DATA, ...meta(RAW) }, randomBytes((1 << 20) + 1))
    t.equal(long.status, 400, 'by its length')
    const id = randomUUID()
    const chunked = await stack.call(P1, 'POST', '/v1/images', {
      headers: { ...DATA, ...meta({ ...RAW, id }), 'transfer-encoding': 'chunked' },
      body: Readable.from([randomBytes(1 << 20), Buffer.from('x')])
    })
    t.equal(chunked.status, 413)
    t.equal(await said(P1, id, 'status'), 'killed')
  })

  await t.test('V1-07, V1-08, V1-09, V1-10: properties are replaced, or kept', async (t) => {
    const { id, created_at } = (await post(P1, meta({ ...RAW, 'property-Distro': 'x' }))).image
    const both = await put(P1, id, meta({ 'property-a-b': '1', 'property-c': '2' }))
    t.equal(both.status, 200)
    t.strictSame(both.image.properties, { a_b: '1', c: '2' })
    t.strictSame((await put(P1, id, meta({ 'property-c': '2' }))).image.properties, { c: '2' })
    const again = await put(P1, id, meta({ 'property-a_b': '3', 'property-c': '2' }))
    t.strictSame(again.image.properties, { a_b: '3', c: '2' })
    t.not(again.image.updated_at, created_at)
    const keep = { 'x-tank-registry-purge-props': 'no', ...meta({ 'property-d': '4' }) }
    t.strictSame((await put(P1, id, keep)).image.properties, { a_b: '3', c: '2', d: '4' })
    const old = { 'x-glance-registry-purge-props': 'false', ...meta({ 'property-e': '5' }) }
    t.equal((await put(P1, id, old)).status, 413, 'one too many, and nothing changes')
    t.equal(await said(P1, id, 'property-e'), undefined)
    await put(P1, id, { ...DATA, ...meta({ 'property-c': '9' }) }, BYTES)
    t.equal(await said(P1, id, 'property-a_b'), '3', 'data purges nothing')
    t.equal(await said(P1, id, 'property-c'), '9')
    t.strictSame((await put(P1, id, {})).image.properties, {})
    t.equal((await put(P1, id, meta({ 'property-status': 'x' }))).status, 403)
    t.equal((await put(P1, id, meta({ 'property-os_glance_x': 'x' }))).status, 403)
    // what v1 cannot show it does not take away
    await stack.patch(P1, id, [{ op: 'add', path: '/Upper', value: 'x' }])
    await put(P1, id, {})
    t.equal((await stack.json(P1, 'GET', `/v2/images/${id}`)).body.Upper, 'x')
  })

  await t.test('V1-23, S-11: what only the service sets', async (t) => {
    const given = {
      status: 'active',
      created_at: 'x',
      deleted: 'True',
      virtual_size: '9',
      uri: 'x'
    }
    const made = await post(P1, meta({ ...given, size: 7 }))
    t.match(made.image, { status: 'queued', deleted: false, size: 7 })
    const { id } = made.image
    t.equal((await put(P1, id, meta({ status: 'active' }))).status, 403)
    t.equal((await put(P1, id, meta({ status: 'queued' }))).status, 200)
    t.equal((await put(P1, id, meta({ id: randomUUID() }))).status, 403)
    t.equal((await put(P1, id, meta({ id }))).status, 200)
    const unknown = await put(P1, id, meta({ foo: 'x' }))
    t.equal(unknown.status, 400)
    t.match(unknown.text, /Bad header/)
    const active = await post(P1, { ...DATA, ...meta(RAW) }, BYTES)
    const change = (fields: Record<string, string | number>) =>
      put(P1, active.image.id, meta(fields))
    t.equal((await change({ size: 1 })).status, 403)
    t.equal((await change({ size: 5120, checksum: md5(BYTES) })).status, 200)
    t.equal((await change({ checksum: '0'.repeat(32) })).status, 403)
    t.equal((await change({ location: 'http://x.test/' })).status, 400)
    t.equal((await change({ min_ram: 3, name: '' })).image.min_ram, 3)
  })

  await t.test('V1-60, V1-63: the owner is one’s own, but for administrators', async (t) => {
    const mine = await post(P1, meta({ ...RAW, owner: 'P2' }))
    t.equal(mine.image.owner, 'P1')
    t.equal((await put(P1, mine.image.id, meta({ owner: 'P2' }))).image.owner, 'P1')
    t.equal((await post(ADMIN, meta({ owner: 'P2' }))).image.owner, 'P2')
    const moved = await put(ADMIN, mine.image.id, meta({ owner: '' }))
    t.equal(moved.image.owner, null)
    t.equal((await put(ADMIN, mine.image.id, meta({ owner: 'P1' }))).image.owner, 'P1')
  })

  await t.test('V1-57, V1-59, V1-62: who may not', async (t) => {
    const own = (await post(P1, meta(RAW))).image.id
    const open = (await post(ADMIN, meta({ ...RAW, is_public: 'true' }))).image.id
    for (const [id, status] of [
      [own, 404],
      [open, 403]
    ] as const) {
      t.equal((await put(P2, id, meta({ name: 'x' }))).status, status)
      t.equal((await put(P2, id, DATA, BYTES)).status, status)
      t.equal((await remove(P2, id)).status, status)
    }
    t.equal((await post(P1, meta({ is_public: 'yes' }))).status, 403, 'publishing is for some')
    t.equal((await post(READER, meta(RAW))).status, 403)
    t.equal((await put(READER, own, meta({ name: 'x' }))).status, 403)
    t.equal((await put(ADMIN, open, meta({ is_public: 'no' }))).image.is_public, false)
    t.equal((await stack.json(ADMIN, 'GET', `/v2/images/${open}`)).body.visibility, 'shared')
    await put(P1, own, meta({ protected: 'True' }))
    t.equal((await remove(P1, own)).status, 403)
    await put(P1, own, meta({ protected: 'f' }))
    t.equal((await remove(P1, own)).status, 200)
  })

  await t.test(
    'an explicit size of 0 needs no data; a store is chosen by name or kind',
    async (t) => {
      const empty = await post(P1, meta({ size: 0 }))
      t.match(empty.image, { status: 'active', size: 0 })
      for (const store of ['second', 'file', 'filesystem']) {
        const made = await post(P1, { ...DATA, ...meta({ ...RAW, store }) }, BYTES)
        t.equal(made.status, 201, store)
        const { stores } = (await stack.json(P1, 'GET', `/v2/images/${made.image.id}`)).body
        t.equal(stores, store === 'second' ? 'second' : 'main')
      }
      for (const store of ['s3', 'other', 'http']) {
        t.equal((await post(P1, { ...DATA, ...meta({ ...RAW, store }) }, BYTES)).status, 400, store)
      }
    }
  )
})

t.test('what headers had no room for is not deleted', async (t) => {
  const stack = await openStack({ api: { limits: { properties: 400 } } })
  t.teardown(() => stack.close())
  const { put, head } = v1Of(stack)
  const names = Array.from({ length: 320 }, (_, i) => `p${i}`)
  const properties = Object.fromEntries(names.map((name) => [name, 'x']))
  const { id } = await stack.create(P1, { ...properties, empty: '' })
  const { headers } = await head(P1, id)
  const unseen = names.filter((name) => !(`x-image-meta-property-${name}` in headers))
  t.equal(headers['x-tank-omitted-properties'], String(unseen.length))
  t.ok(unseen.length > 0 && unseen.length < names.length)
  const first = await put(P1, id, meta({ name: 'x' }))
  t.strictSame(Object.keys(first.image.properties).sort(), unseen.sort())
  t.strictSame((await put(P1, id, meta({ name: 'y' }))).image.properties, {}, 'now they are shown')
})

t.test('V1-110: protected properties', async (t) => {
  const stack = await openStack({
    api: {
      propertyProtections: [
        { match: 'locked', create: 'admin', read: '@', update: 'admin', delete: 'admin' },
        { match: 'secret', create: 'admin', read: 'admin', update: 'admin', delete: 'admin' },
        { match: 'own', create: '@', read: '@', update: '@', delete: '@' }
      ]
    }
  })
  t.teardown(() => stack.close())
  const { post, put, said } = v1Of(stack)
  t.equal((await post(P1, meta({ 'property-locked': 'x' }))).status, 403)
  const given = { owner: 'P1', 'property-locked': 'x', 'property-secret': 'y', 'property-own': 'z' }
  const { id } = (await post(ADMIN, meta(given))).image
  const change = (fields: Record<string, string>) => put(P1, id, meta(fields))
  t.equal((await change({ 'property-locked': 'other' })).status, 403)
  t.equal((await change({ 'property-own': 'z' })).status, 403, 'the purge would take it')
  t.equal((await change({ 'property-secret': 'guess' })).status, 403)
  const kept = await change({ 'property-locked': 'x' })
  t.equal(kept.status, 200, 'rewriting what is there is allowed')
  t.strictSame(kept.image.properties, { locked: 'x' })
  t.equal(await said(P1, id, 'property-secret'), undefined)
  t.equal(await said(ADMIN, id, 'property-secret'), 'y', 'what is not seen survives')
})
