import { createHash } from 'node:crypto'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, openStack, P1, P2, READER } from '../../src/stack.ts'

const BYTES = Buffer.alloc(5120, 'v1')
const MD5 = createHash('md5').update(BYTES).digest('hex')

t.test('one image', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const head = (who: typeof P1, id: string) => stack.call(who, 'HEAD', `/v1/images/${id}`)
  const get = (who: typeof P1, id: string) => stack.call(who, 'GET', `/v1/images/${id}`)

  await t.test('V1-03, V1-04: HEAD and GET have the metadata, GET the bytes', async (t) => {
    const { id } = await stack.create(ADMIN, {
      name: 'Ünïcode 🐧',
      visibility: 'public',
      distro: 'Debian',
      min_ram: 64
    })
    await stack.upload(ADMIN, id, BYTES)
    const expected = {
      'x-image-meta-id': id,
      'x-image-meta-name': Buffer.from('Ünïcode 🐧').toString('latin1'),
      'x-image-meta-is_public': 'True',
      'x-image-meta-status': 'active',
      'x-image-meta-disk_format': 'raw',
      'x-image-meta-container_format': 'bare',
      'x-image-meta-size': '5120',
      'x-image-meta-min_ram': '64',
      'x-image-meta-checksum': MD5,
      'x-image-meta-property-distro': 'Debian',
      'x-image-meta-deleted': 'False',
      etag: MD5
    }
    const known = await head(P2, id)
    t.equal(known.status, 200)
    t.match(known.headers, expected)
    t.equal(known.body.length, 0)
    t.match(known.headers['x-image-meta-created_at'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/)
    for (const absent of ['location', 'content-md5', 'x-image-meta-virtual_size'])
      t.notOk(absent in known.headers, absent)
    const read = await get(P2, id)
    t.equal(read.status, 200)
    t.match(read.headers, expected)
    t.equal(read.headers['content-length'], '5120')
    t.equal(read.headers['content-type'], 'application/octet-stream')
    t.ok(read.body.equals(BYTES))
    t.equal(createHash('md5').update(read.body).digest('hex'), MD5)
    const part = await stack.call(P2, 'GET', `/v1/images/${id}`, {
      headers: { range: 'bytes=0-1', 'if-none-match': MD5 }
    })
    t.equal(part.status, 200, 'no ranges, no conditions')
  })

  await t.test('V1-12: an id that is not there is 404', async (t) => {
    for (const id of ['11111111-2222-4333-8444-555555555555', 'no-uuid', '%2F', 'a%2Fb']) {
      t.equal((await head(P1, id)).status, 404, id)
      t.equal((await get(P1, id)).status, 404, id)
    }
  })

  await t.test('an image without data has headers, but nothing to read', async (t) => {
    const { id } = await stack.create(P1)
    const known = await head(P1, id)
    t.equal(known.status, 200)
    t.match(known.headers, { 'x-image-meta-status': 'queued', 'x-image-meta-size': '0' })
    t.notOk('etag' in known.headers)
    t.equal((await get(P1, id)).status, 404)
  })

  await t.test('an image of no bytes is read as none', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, '')
    const read = await get(P1, id)
    t.equal(read.status, 200)
    t.equal(read.headers['content-length'], '0')
  })

  await t.test('V1-57, V1-58: private images are hidden, public ones seen', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, BYTES)
    t.equal((await head(P2, id)).status, 404)
    t.equal((await get(P2, id)).status, 404)
    await stack.patch(ADMIN, id, [{ op: 'replace', path: '/visibility', value: 'public' }])
    t.equal((await head(P2, id)).status, 200)
    t.equal((await get(P2, id)).status, 200)
    t.equal((await get(READER, id)).status, 403, 'no member: the policy of downloads')
  })

  await t.test('the HEAD of a deleted image is for administrators', async (t) => {
    const { id } = await stack.create(P1, { distro: 'x' })
    await stack.call(P1, 'DELETE', `/v2/images/${id}`)
    t.equal((await head(P1, id)).status, 404)
    const seen = await head(ADMIN, id)
    t.equal(seen.status, 200)
    t.match(seen.headers, { 'x-image-meta-status': 'deleted', 'x-image-meta-deleted': 'True' })
    t.match(seen.headers['x-image-meta-deleted_at'], /^\d{4}-/)
    t.equal((await get(ADMIN, id)).status, 404)
  })

  await t.test('properties that headers cannot carry are counted', async (t) => {
    const { id } = await stack.create(P1, {
      fine: 'yes',
      'not fine': 'x',
      evil: 'a\r\nx-image-meta-status: active'
    })
    const { headers } = await head(P1, id)
    t.equal(headers['x-image-meta-property-fine'], 'yes')
    t.equal(headers['x-tank-omitted-properties'], '2')
    t.equal(headers['x-image-meta-status'], 'queued')
    const { body } = await stack.json(P1, 'GET', '/v1/images/detail')
    const shown = body.images.find((image: { id: string }) => image.id === id)
    t.equal(shown.properties['not fine'], 'x', 'JSON carries all')
  })
})

t.test('an image that cannot be read now is an error without its headers', async (t) => {
  const main = new FakeStore()
  const api = { stores: { main: { use: 'a' } }, defaultStore: 'main' }
  const stack = await openStack({ api, plugins: { a: main.plugin() } })
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1, { distro: 'x' })
  await stack.upload(P1, id, BYTES)
  main.faults = { fails: 'UNAVAILABLE' }
  for (const [path, range] of [
    [`/v1/images/${id}`, 'bytes=0-1'],
    [`/v2/images/${id}/file`, 'bytes=0-1'],
    [`/v2/images/${id}/file`, 'bytes=5120-']
  ] as const) {
    const { status, headers } = await stack.call(P1, 'GET', path, { headers: { range } })
    t.equal(status, range === 'bytes=5120-' ? 416 : 503, path)
    const ofData = Object.keys(headers).filter((name) =>
      /^(etag|last-modified|content-md5|content-disposition|x-image-meta-.*)$/.test(name)
    )
    t.strictSame(ofData, [], path)
    t.equal(headers['cache-control'], 'no-store')
  }
})

t.test('V1-110: properties that the caller may not read are not shown', async (t) => {
  const rule = { create: '@', read: 'admin', update: '@', delete: '@' }
  const open = { create: '@', read: '@', update: '@', delete: '@' }
  const propertyProtections = [
    { match: 'secret', ...rule },
    { match: '.*', ...open }
  ]
  const stack = await openStack({ api: { propertyProtections } })
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1, { secret_x: '1', other: '2' })
  const seen = async (who: typeof P1) => {
    const { headers } = await stack.call(who, 'HEAD', `/v1/images/${id}`)
    const { body } = await stack.json(who, 'GET', '/v1/images/detail?property-secret_x=1')
    return [headers['x-image-meta-property-secret_x'], body.images.length]
  }
  t.same(await seen(P1), [undefined, 0])
  const { headers } = await stack.call(P1, 'HEAD', `/v1/images/${id}`)
  t.equal(headers['x-image-meta-property-other'], '2')
  t.notOk('x-tank-omitted-properties' in headers, 'nobody learns that there is more')
  const mine = await stack.create(ADMIN, { secret_x: '1' })
  const own = await stack.call(ADMIN, 'HEAD', `/v1/images/${mine.id}`)
  t.equal(own.headers['x-image-meta-property-secret_x'], '1')
  const list = await stack.json(ADMIN, 'GET', '/v1/images/detail?property-secret_x=1')
  t.equal(list.body.images.length, 1)
})
