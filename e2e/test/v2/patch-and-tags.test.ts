import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ADMIN, openStack, P1, P2 } from '../../src/stack.ts'

t.test('patches and tags', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const replace = (path: string, value: unknown) => ({ op: 'replace', path, value })
  const add = (path: string, value: unknown) => ({ op: 'add', path, value })
  const remove = (path: string) => ({ op: 'remove', path })

  await t.test('PAT1: many changes in one request', async (t) => {
    const { id } = await stack.create(P1, { a: '1', b: '2' })
    const { status, body } = await stack.patch(P1, id, [
      add('/c', '3'),
      replace('/a', 'one'),
      remove('/b'),
      replace('/name', 'renamed'),
      replace('/min_ram', 64),
      replace('/tags', ['x', 'y', 'x']),
      replace('/visibility', 'private'),
      replace('/protected', true),
      replace('/os_hidden', true)
    ])
    t.equal(status, 200)
    t.match(body, {
      a: 'one',
      c: '3',
      name: 'renamed',
      min_ram: 64,
      visibility: 'private',
      protected: true,
      os_hidden: true
    })
    t.notOk('b' in body)
    t.same(body.tags.sort(), ['x', 'y'])
  })

  await t.test('PAT2: the v2.0 dialect', async (t) => {
    const { id } = await stack.create(P1, { old: 'x' })
    const patch = (operations: unknown) => stack.patch(P1, id, operations, 'v2.0')
    const { status, body } = await patch([
      { replace: '/name', value: 'tempest' },
      { add: '/new', value: 'y' },
      { remove: '/old' }
    ])
    t.equal(status, 200)
    t.match(body, { name: 'tempest', new: 'y' })
    t.notOk('old' in body)
    t.equal((await patch([{ add: '/new', value: 'z' }])).status, 409, 'P9: it exists')
    t.equal((await patch([{ add: '/name', value: 'z' }])).status, 409, 'P9: it always exists')
    t.equal((await stack.patch(P1, id, [add('/new', 'z')])).body.new, 'z', 'P9: v2.1 overwrites')
  })

  await t.test('PAT3: [] changes nothing, for whoever sees the image', async (t) => {
    const image = await stack.create(ADMIN, { visibility: 'public' })
    const { status, body } = await stack.patch(P2, image.id, [])
    t.equal(status, 200)
    t.same(body, image)
  })

  await t.test('PAT4: other media types are 415 with Accept-Patch', async (t) => {
    const { id } = await stack.create(P1)
    const answer = await stack.json(P1, 'PATCH', `/v2/images/${id}`, [replace('/name', 'x')])
    t.equal(answer.status, 415)
    t.equal(
      answer.headers['accept-patch'],
      'application/openstack-images-v2.0-json-patch, application/openstack-images-v2.1-json-patch'
    )
  })

  await t.test('PAT5, PAT10: bodies and values that are wrong', async (t) => {
    const { id } = await stack.create(P1)
    for (const body of [
      {},
      ['x'],
      [{ path: '/a', value: 'x' }],
      [{ op: 'add', value: 'x' }],
      [{ op: 'add', path: '/a' }],
      [{ op: 'copy', path: '/a', from: '/b' }],
      [add('/a', 5)],
      [add('/a', {})],
      [add('/a', null)],
      [replace('/min_disk', -1)],
      [replace('/min_ram', 2 ** 31)],
      [replace('/visibility', 'x')],
      [replace('/tags', 'x')],
      [replace('/tags', ['x'.repeat(256)])],
      [add('/a/b', 'x')],
      [add('/locations', [])]
    ]) {
      t.equal((await stack.patch(P1, id, body)).status, 400, JSON.stringify(body).slice(0, 60))
    }
  })

  await t.test('PAT6, PAT7, PAT9: names that nobody writes are 403', async (t) => {
    const { id } = await stack.create(P1)
    const names =
      'id status checksum os_hash_algo os_hash_value size virtual_size created_at updated_at direct_url self file schema stores os_glance_x deleted deleted_at location'
    for (const name of names.split(' ')) {
      for (const operation of [add(`/${name}`, 'x'), replace(`/${name}`, 'x'), remove(`/${name}`)])
        t.equal((await stack.patch(ADMIN, id, [operation])).status, 403, JSON.stringify(operation))
    }
    for (const name of ['name', 'min_ram', 'tags', 'owner'])
      t.equal((await stack.patch(P1, id, [remove(`/${name}`)])).status, 403, `remove ${name}`)
    const unknown = '11111111-1111-4111-8111-111111111111'
    t.equal((await stack.patch(P1, unknown, [replace('/id', 'x')])).status, 403, 'G1')
    t.equal(
      (await stack.patch(P1, id, [add('/locations/-', { url: 'http://x', metadata: {} })])).status,
      403,
      'LOC1'
    )
  })

  await t.test('PAT8: properties that are not there are 409, and nothing changes', async (t) => {
    const image = await stack.create(P1)
    for (const operation of [replace('/none', 'x'), remove('/none')])
      t.equal((await stack.patch(P1, image.id, [add('/a', '1'), operation])).status, 409)
    const { body } = await stack.json(P1, 'GET', `/v2/images/${image.id}`)
    t.same(body, image, 'P16: all or nothing')
  })

  await t.test('PAT11, PAT13: owner and visibility', async (t) => {
    const { id } = await stack.create(P1)
    t.equal((await stack.patch(P1, id, [replace('/owner', 'P1')])).status, 403)
    t.equal((await stack.patch(P1, id, [replace('/visibility', 'public')])).status, 403)
    const community = await stack.patch(P1, id, [replace('/visibility', 'community')])
    t.equal(community.status, 200)
    t.equal((await stack.patch(ADMIN, id, [replace('/owner', 'P2')])).body.owner, 'P2')
  })

  await t.test('PAT12: formats are settled with the data', async (t) => {
    const { id } = await stack.create(P1)
    const iso = [replace('/disk_format', 'iso')]
    t.equal((await stack.patch(P1, id, iso)).body.disk_format, 'iso')
    await stack.patch(P1, id, [replace('/disk_format', 'raw')])
    await stack.upload(P1, id, 'data')
    t.equal((await stack.patch(P1, id, iso)).status, 403)
    t.equal((await stack.patch(P1, id, [replace('/disk_format', 'raw')])).status, 403, 'P11')
  })

  await t.test('PAT16: updated_at grows, created_at stays', async (t) => {
    const image = await stack.create(P1)
    await sleep(1100)
    const { body } = await stack.patch(P1, image.id, [replace('/name', 'later')])
    t.ok(String(body.updated_at) > String(image.updated_at))
    t.equal(body.created_at, image.created_at)
  })

  await t.test('PAT17: foreign and deleted images', async (t) => {
    const rename = [replace('/name', 'x')]
    const pub = await stack.create(ADMIN, { visibility: 'public' })
    const priv = await stack.create(P1, { visibility: 'private' })
    const gone = await stack.create(P1)
    await stack.call(P1, 'DELETE', `/v2/images/${gone.id}`)
    t.equal((await stack.patch(P2, pub.id, rename)).status, 403)
    t.equal((await stack.patch(P2, priv.id, rename)).status, 404)
    t.equal((await stack.patch(P1, gone.id, rename)).status, 404)
  })

  await t.test('PAT18, P15: counts are those of the final state', async (t) => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => `t${i}`)
    const full = Object.fromEntries(many(128).map((name) => [name, 'x']))
    const { id } = await stack.create(P1, full)
    t.equal((await stack.patch(P1, id, [add('/more', 'x')])).status, 413)
    t.equal((await stack.patch(P1, id, [add('/more', 'x'), remove('/t0')])).status, 200)
    t.equal((await stack.patch(P1, id, [replace('/tags', many(129))])).status, 413)
  })

  await t.test('PAT19: remove and replace in one array', async (t) => {
    const { id } = await stack.create(P1, { a: '1' })
    const { body } = await stack.patch(P1, id, [remove('/a'), replace('/name', 'terraform')])
    t.equal(body.name, 'terraform')
    t.notOk('a' in body)
  })

  await t.test('S-13: no order of calls changes the digest of an active id', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, 'first')
    const before = (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
    const act = (action: string) => stack.call(P1, 'POST', `/v2/images/${id}/actions/${action}`)
    for (const attempt of [
      () => stack.upload(P1, id, 'second'),
      () => act('deactivate'),
      () => stack.upload(P1, id, 'second'),
      () => stack.patch(P1, id, [replace('/status', 'queued')]),
      () => act('reactivate'),
      () => stack.upload(ADMIN, id, 'second'),
      () => stack.json(P1, 'POST', '/v2/images', { id })
    ]) {
      await attempt()
    }
    const after = (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
    t.equal(after.os_hash_value, before.os_hash_value)
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.equal(file.body.toString(), 'first')
  })

  await t.test('TAG1, TAG4: one tag at a time', async (t) => {
    const { id } = await stack.create(P1)
    const tag = (method: string, name: string) =>
      stack.call(P1, method, `/v2/images/${id}/tags/${encodeURIComponent(name)}`)
    const tags = async () => (await stack.json(P1, 'GET', `/v2/images/${id}`)).body.tags.sort()
    t.equal((await tag('PUT', 'a')).status, 204)
    t.equal((await tag('PUT', 'a')).status, 204)
    t.same(await tags(), ['a'])
    for (const odd of ['ünï 🐧', 'a b', '50%', 'what?', 'x/y', 'A'])
      t.equal((await tag('PUT', odd)).status, 204, odd)
    t.same(await tags(), ['50%', 'A', 'a', 'a b', 'what?', 'x/y', 'ünï 🐧'].sort())
    const found = await stack.json(P1, 'GET', `/v2/images?tag=${encodeURIComponent('ünï 🐧')}`)
    t.equal(found.body.images[0]?.id, id)
    t.equal((await tag('DELETE', 'a')).status, 204)
    t.equal((await tag('DELETE', 'a')).status, 404)
    t.equal((await tag('PUT', 'x'.repeat(256))).status, 400, 'TG3')
    t.equal((await tag('PUT', '🐧'.repeat(255))).status, 204, 'TG3, N5')
    const patched = await stack.patch(P1, id, [replace('/tags', ['only'])])
    t.same(patched.body.tags, ['only'])
  })

  await t.test('TAG2, TAG3: foreign images and counts', async (t) => {
    const pub = await stack.create(ADMIN, { visibility: 'public' })
    const priv = await stack.create(P1, { visibility: 'private' })
    t.equal((await stack.call(P2, 'PUT', `/v2/images/${pub.id}/tags/a`)).status, 403)
    t.equal((await stack.call(P2, 'PUT', `/v2/images/${priv.id}/tags/a`)).status, 404)
    const tags = Array.from({ length: 128 }, (_, i) => `t${i}`)
    const { id } = await stack.create(P1, { tags })
    t.equal((await stack.call(P1, 'PUT', `/v2/images/${id}/tags/more`)).status, 413)
    t.equal((await stack.call(P1, 'PUT', `/v2/images/${id}/tags/t5`)).status, 204)
  })

  await t.test('100 patches at once: none is lost', async (t) => {
    const { id } = await stack.create(P1)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => stack.patch(P1, id, [add(`/p${i}`, String(i))]))
    )
    t.same([...new Set(answers.map((answer) => answer.status))], [200])
    const { body } = await stack.json(P1, 'GET', `/v2/images/${id}`)
    t.equal(Object.keys(body).filter((key) => /^p\d+$/.test(key)).length, 100)
  })
})
