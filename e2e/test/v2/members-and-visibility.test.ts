import t from 'tap'
import { ADMIN, type Doc, openStack, P1, P2, P3, READER, type Who } from '../../src/stack.ts'

const VISIBILITIES = ['public', 'private', 'shared', 'community']

t.test('members', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const members = (who: Who, id: string) => stack.json(who, 'GET', `/v2/images/${id}/members`)
  const add = (who: Who, id: string, member: unknown) =>
    stack.json(who, 'POST', `/v2/images/${id}/members`, { member })
  const one = (who: Who, method: string, id: string, member: string, body?: unknown) =>
    stack.json(who, method, `/v2/images/${id}/members/${member}`, body)
  const sees = async (who: Who, id: string) =>
    (await stack.json(who, 'GET', `/v2/images/${id}`)).status
  const lists = async (who: Who, id: string, query = '') =>
    (await stack.json(who, 'GET', `/v2/images?limit=1000&${query}`)).body.images.some(
      (image: Doc) => image.id === id
    )

  await t.test('MEM1: share an image', async (t) => {
    const { id } = await stack.create(P1)
    const shared = await add(P1, id, 'P2')
    t.equal(shared.status, 200)
    t.match(shared.body, {
      member_id: 'P2',
      image_id: id,
      status: 'pending',
      schema: '/v2/schemas/member',
      created_at: /Z$/,
      updated_at: /Z$/
    })
    t.same((await one(P1, 'GET', id, 'P2')).body, shared.body)
    t.same((await members(P1, id)).body, {
      members: [shared.body],
      schema: '/v2/schemas/members'
    })
  })

  await t.test('MEM2, MEM3, LST17, MEM11, S-23: accept, reject, remove', async (t) => {
    const { id } = await stack.create(P1)
    t.equal(await sees(P2, id), 404)
    await add(P1, id, 'P2')
    t.equal(await sees(P2, id), 200, 'a pending member sees it by id')
    t.notOk(await lists(P2, id))
    t.ok(await lists(P2, id, 'member_status=pending'))
    t.ok(await lists(P2, id, 'member_status=all'))
    t.equal((await one(P2, 'PUT', id, 'P2', { status: 'accepted' })).body.status, 'accepted')
    t.ok(await lists(P2, id))
    t.ok(await lists(P2, id, 'visibility=shared'))
    t.notOk(await lists(P2, id, 'member_status=pending'))
    await one(P2, 'PUT', id, 'P2', { status: 'rejected' })
    t.notOk(await lists(P2, id))
    t.ok(await lists(P2, id, 'member_status=rejected'))
    t.equal((await stack.call(P2, 'GET', '/v2/images?member_status=bogus')).status, 400)
    t.equal((await one(P1, 'DELETE', id, 'P2')).status, 204)
    t.equal(await sees(P2, id), 404, 'S-03: access is gone at once')
    t.equal((await add(P1, id, 'P2')).body.status, 'pending', 'M5: pending again')
  })

  await t.test('MEM4: who answers, and how', async (t) => {
    const { id } = await stack.create(P1)
    await add(P1, id, 'P2')
    t.equal((await one(P1, 'PUT', id, 'P2', { status: 'accepted' })).status, 403)
    t.equal((await one(P1, 'PUT', id, 'P2', { status: 'bogus' })).status, 403)
    t.equal((await one(P2, 'PUT', id, 'P2', { status: 'bogus' })).status, 400)
    t.equal((await one(P2, 'PUT', id, 'P2', {})).status, 400)
    t.equal((await one(P1, 'PUT', id, 'P2', {})).status, 400)
    t.equal((await one(P2, 'PUT', id, 'P3', { status: 'accepted' })).status, 404)
    t.equal((await one(ADMIN, 'PUT', id, 'P2', { status: 'accepted' })).status, 200)
  })

  await t.test('MEM5, MEM6: what members see and may do', async (t) => {
    const { id } = await stack.create(P1)
    await add(P1, id, 'P2')
    await add(P1, id, 'P3')
    const list = await members(P2, id)
    t.same(
      list.body.members.map((m: { member_id: string }) => m.member_id),
      ['P2']
    )
    t.equal((await one(P2, 'GET', id, 'P3')).status, 404)
    t.equal((await members({ ...P2, project: 'P4' }, id)).status, 404)
    t.equal((await add(P2, id, 'P5')).status, 403)
    t.equal((await one(P2, 'DELETE', id, 'P2')).status, 403)
    t.equal((await one(P2, 'DELETE', id, 'P3')).status, 404)
    t.equal((await one(P1, 'DELETE', id, 'P9')).status, 404)
    t.equal((await add({ ...P2, project: 'P4' }, id, 'P5')).status, 404, 'M4')
    t.equal((await add(READER, id, 'P5')).status, 403)
  })

  await t.test('MEM7: only shared images have members', async (t) => {
    for (const visibility of ['private', 'public', 'community']) {
      const { id } = await stack.create(ADMIN, { visibility, owner: 'P1' })
      t.equal((await add(P1, id, 'P2')).status, 403, visibility)
      const list = await members(P1, id)
      t.equal(list.status, 403)
      t.match(list.body.error.message, /Only shared images have members/)
    }
  })

  await t.test('MEM8, MEM9, MEM10: duplicates, bodies, counts', async (t) => {
    const { id } = await stack.create(P1)
    await add(P1, id, 'P2')
    t.equal((await add(P1, id, 'P2')).status, 409)
    t.equal((await one(P1, 'DELETE', id, 'P2')).status, 204)
    t.equal((await one(P1, 'GET', id, 'P2')).status, 404)
    for (const body of [{}, { member: '' }, ['x'], { member: 5 }, { member: 'x'.repeat(256) }])
      t.equal(
        (await stack.json(P1, 'POST', `/v2/images/${id}/members`, body)).status,
        400,
        JSON.stringify(body).slice(0, 40)
      )
    for (let i = 0; i < 128; i++) t.equal((await add(P1, id, `m${i}`)).status, 200)
    t.equal((await add(P1, id, 'one-more')).status, 413)
  })

  await t.test('M11, VS5: membership counts while the image is shared', async (t) => {
    const { id } = await stack.create(P1)
    await add(P1, id, 'P2')
    const visibility = (value: string) =>
      stack.patch(P1, id, [{ op: 'replace', path: '/visibility', value }])
    await visibility('private')
    t.equal(await sees(P2, id), 404)
    await visibility('shared')
    t.equal(await sees(P2, id), 200)
  })
})

t.test('visibility', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const owners: (string | null)[] = ['P1', 'P2', 'P3', null]
  const grid = new Map<string, Doc>()
  for (const owner of owners)
    for (const visibility of VISIBILITIES)
      grid.set(
        `${owner} ${visibility}`,
        await stack.create(ADMIN, { name: `${owner} ${visibility}`, owner, visibility })
      )
  const listed = async (who: Who, query = ''): Promise<string[]> => {
    const { body } = await stack.json(who, 'GET', `/v2/images?limit=1000&${query}`)
    return body.images.map((image: Doc) => String(image.name)).sort()
  }
  const all = [...grid.keys()]

  await t.test('VIS1: the grid of four owners and four visibilities (VS7)', async (t) => {
    t.equal((await listed(P1)).length, 7)
    t.equal((await listed({ ...ADMIN, project: 'P1' })).length, 13)
    t.equal((await listed({ user: 'root', roles: 'admin' })).length, 12)
    t.equal((await listed({ user: 'u', roles: 'reader' })).length, 4)
    for (const visibility of VISIBILITIES) {
      const mine = await listed(P1, `visibility=${visibility}`)
      const open = visibility === 'public' || visibility === 'community'
      t.same(
        mine,
        all.filter((n) => n.endsWith(visibility) && (open || n.startsWith('P1'))).sort(),
        visibility
      )
      t.equal((await listed(ADMIN, `visibility=${visibility}`)).length, 4, `admin ${visibility}`)
    }
    t.equal((await listed(P1, 'visibility=all')).length, 10)
  })

  await t.test('VIS2: community images', async (t) => {
    const image = grid.get('P2 community')
    t.notOk((await listed(P1)).includes('P2 community'))
    t.ok((await listed(P1, 'visibility=community')).includes('P2 community'))
    t.equal((await stack.json(P1, 'GET', `/v2/images/${image?.id}`)).status, 200)
    await stack.upload(P2, image?.id ?? '', 'data')
    t.equal((await stack.call(P1, 'GET', `/v2/images/${image?.id}/file`)).status, 200)
  })

  await t.test('VIS3: what admins list', async (t) => {
    const here: Who = { ...ADMIN, project: 'P1' }
    const foreignCommunity = (n: string) => n.endsWith('community') && !n.startsWith('P1')
    t.same(await listed(here), all.filter((n) => !foreignCommunity(n)).sort())
    t.same(await listed(here, 'visibility=all'), [...all].sort())
  })

  await t.test('VIS5: changes of visibility', async (t) => {
    const { id } = await stack.create(P1, { visibility: 'private' })
    const change = async (who: Who, value: string) =>
      (await stack.patch(who, id, [{ op: 'replace', path: '/visibility', value }])).status
    t.equal(await change(P1, 'shared'), 200)
    t.equal(await change(P1, 'public'), 403)
    t.equal(await change(ADMIN, 'public'), 200)
    t.equal(await change(P1, 'community'), 200)
    t.equal(await change(P3, 'private'), 403)
  })

  await t.test('VIS6: images without an owner', async (t) => {
    const { id } = grid.get('null private') ?? { id: '' }
    t.equal((await stack.json(P1, 'GET', `/v2/images/${id}`)).status, 200)
    const rename = [{ op: 'replace', path: '/name', value: 'x' }]
    t.equal((await stack.patch(P1, id, rename)).status, 403)
    t.equal((await stack.patch(ADMIN, id, rename)).status, 200)
  })

  await t.test('POL1: readers read, and do nothing else', async (t) => {
    const { id } = grid.get('P1 shared') ?? { id: '' }
    t.equal((await stack.json(READER, 'GET', '/v2/images')).status, 200)
    t.equal((await stack.json(READER, 'GET', `/v2/images/${id}`)).status, 200)
    t.equal((await stack.json(READER, 'POST', '/v2/images', {})).status, 403)
    const rename = [{ op: 'replace', path: '/name', value: 'x' }]
    t.equal((await stack.patch(READER, id, rename)).status, 403)
    t.equal((await stack.call(READER, 'DELETE', `/v2/images/${id}`)).status, 403)
    t.equal((await stack.upload(READER, id, 'x')).status, 403)
    t.equal((await stack.call(READER, 'GET', `/v2/images/${id}/file`)).status, 403, 'DWN3')
  })

  await t.test('POL2, S-01: writes on foreign images, public 403 and private 404', async (t) => {
    for (const [visibility, status] of [
      ['public', 403],
      ['private', 404]
    ] as const) {
      const { id } = grid.get(`P1 ${visibility}`) ?? { id: '' }
      const rename = [{ op: 'replace', path: '/name', value: 'x' }]
      const path = `/v2/images/${id}`
      t.equal((await stack.patch(P2, id, rename)).status, status)
      t.equal((await stack.call(P2, 'DELETE', path)).status, status)
      t.equal((await stack.upload(P2, id, 'x')).status, status)
      t.equal((await stack.call(P2, 'PUT', `${path}/tags/x`)).status, status)
      t.equal((await stack.call(P2, 'DELETE', `${path}/tags/x`)).status, status)
      t.equal((await stack.call(P2, 'POST', `${path}/actions/deactivate`)).status, status)
      t.equal((await stack.json(P2, 'POST', `${path}/members`, { member: 'P2' })).status, status)
    }
  })

  await t.test('POL4: role names in any letter case', async (t) => {
    const loud: Who = { project: 'P1', user: 'x', roles: 'MEMBER' }
    t.equal((await stack.json(loud, 'POST', '/v2/images', {})).status, 201)
  })
})

t.test('POL5: identity headers from anyone but the front are worth nothing', async (t) => {
  const stack = await openStack({
    api: { identity: { mode: 'headers', trustedFronts: ['192.0.2.0/24'] } }
  })
  t.teardown(() => stack.close())
  t.equal((await stack.json(ADMIN, 'GET', '/v2/images')).status, 401)
})
