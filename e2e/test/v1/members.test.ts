import t from 'tap'
import { ADMIN, openStack, P1, P2, P3, READER, type Who } from '../../src/stack.ts'

const NOBODY = { user: 'nil', roles: 'member' }
const UNKNOWN = '11111111-2222-4333-8444-555555555555'

t.test('members', async (t) => {
  const stack = await openStack({ api: { limits: { members: 3 } } })
  t.teardown(() => stack.close())
  const path = (id: string, member?: string) =>
    `/v1/images/${id}/members${member === undefined ? '' : `/${member}`}`
  const list = async (who: Who, id: string) => (await stack.json(who, 'GET', path(id))).body.members
  const put = async (who: Who, id: string, member: string, body?: unknown) =>
    (await stack.json(who, 'PUT', path(id, member), body)).status
  const replace = async (who: Who, id: string, body: unknown) =>
    (await stack.json(who, 'PUT', path(id), body)).status
  const remove = async (who: Who, id: string, member: string) =>
    (await stack.call(who, 'DELETE', path(id, member))).status
  const sees = async (who: Who, id: string) =>
    (await stack.call(who, 'HEAD', `/v1/images/${id}`)).status
  const shared = async (who: Who, member: string) =>
    (await stack.json(who, 'GET', `/v1/shared-images/${member}`)).body.shared_images

  await t.test('V1-52, V1-53: add, list in order, remove', async (t) => {
    const { id } = await stack.create(P1)
    t.same(await list(P1, id), [])
    t.equal(await put(P1, id, 'z-first'), 204)
    t.equal(await put(P1, id, 'a-second'), 204)
    t.same(await list(P1, id), [
      { member_id: 'z-first', can_share: false },
      { member_id: 'a-second', can_share: false }
    ])
    t.equal(await put(P1, id, 'z-first', { member: { can_share: true } }), 204)
    t.equal(await put(P1, id, 'z-first'), 204, 'nothing said: nothing changed')
    t.equal(await put(P1, id, 'z-first', { member: {} }), 204)
    t.match(await list(P1, id), [{ can_share: true }, {}])
    t.equal(await remove(P1, id, 'a-second'), 204)
    t.equal(await remove(P1, id, 'a-second'), 404)
    t.same(await list(P1, id), [{ member_id: 'z-first', can_share: true }])
  })

  await t.test('V1-54, V1-56: a member sees it, others do not', async (t) => {
    const { id } = await stack.create(P1)
    t.equal(await sees(P2, id), 404)
    await put(P1, id, 'P2')
    t.equal(await sees(P2, id), 200)
    t.equal(await sees(P3, id), 404)
    const { body } = await stack.json(P2, 'GET', '/v1/images')
    t.ok(body.images.some((image: { id: string }) => image.id === id))
    t.same(await list(P2, id), [{ member_id: 'P2', can_share: false }])
    await put(P1, id, 'P3')
    t.same(await list(P2, id), [{ member_id: 'P2', can_share: false }], 'only itself')
    t.equal((await list(ADMIN, id)).length, 2)
    await remove(P1, id, 'P2')
    t.equal(await sees(P2, id), 404)
    t.equal(await sees(P1, id), 200)
    t.equal((await stack.call(P2, 'GET', path(id))).status, 404)
  })

  await t.test('V1-55: replace all at once', async (t) => {
    const { id } = await stack.create(P1)
    await put(P1, id, 'P2', { member: { can_share: true } })
    await put(P1, id, 'old')
    const memberships = [{ member_id: 'P2' }, { member_id: 'P3', can_share: true }]
    t.equal(await replace(P1, id, { memberships }), 204)
    t.same(await list(P1, id), [
      { member_id: 'P2', can_share: true },
      { member_id: 'P3', can_share: true }
    ])
    t.equal(await sees(P3, id), 200)
    t.equal(await replace(P1, id, [{ member_id: 'P3', can_share: false }]), 204, 'a bare list')
    t.same(await list(P1, id), [{ member_id: 'P3', can_share: false }])
    t.equal(await sees(P2, id), 404)
    t.equal(await replace(P1, id, { memberships: [] }), 204)
    t.same(await list(P1, id), [])
  })

  await t.test('what is no membership is 400, and changes nothing', async (t) => {
    const { id } = await stack.create(P1)
    await put(P1, id, 'P2')
    for (const body of [
      ...[{}, { memberships: 'x' }, { memberships: {} }, { memberships: ['x'] }, 'x', 7],
      ...[{ memberships: [{}] }, { memberships: [{ member_id: '' }] }, [{ member_id: 7 }]],
      ...[[{ member_id: 'x'.repeat(256) }], [{ member_id: 'a', can_share: 'maybe' }]]
    ])
      t.equal(await replace(P1, id, body), 400, JSON.stringify(body).slice(0, 60))
    for (const body of [[], { can_share: true }, { member: 1 }, { member: { can_share: 1 } }])
      t.equal(await put(P1, id, 'P3', body), 400, JSON.stringify(body))
    const headers = { 'content-type': 'application/json' }
    const broken = await stack.call(P1, 'PUT', path(id, 'P3'), { headers, body: '{' })
    t.equal(broken.status, 400)
    t.equal(await put(P1, id, 'x'.repeat(256)), 400)
    t.same(await list(P1, id), [{ member_id: 'P2', can_share: false }])
    await put(P1, id, 'P2', { member: { can_share: 'false' } })
    t.match(await list(P1, id), [{ can_share: false }], 'the word false is not true')
    await put(P1, id, 'P2', { member: { can_share: 'true' } })
    t.match(await list(P1, id), [{ can_share: true }])
  })

  await t.test('V1-59: who may share', async (t) => {
    const { id } = await stack.create(P1)
    await put(P1, id, 'P2')
    t.equal(await put(P2, id, 'P3'), 404, 'a member that may not share')
    t.equal(await replace(P2, id, []), 404)
    t.equal(await remove(P2, id, 'P2'), 404)
    t.equal(await put(READER, id, 'P3'), 403, 'only readers of the owner')
    t.equal(await replace(READER, id, []), 403)
    t.equal(await put(P3, id, 'P3'), 404, 'a stranger')
    t.equal(await put(NOBODY, id, 'P3'), 401, 'of no project')
    t.equal(await put(P1, UNKNOWN, 'P3'), 404)
    await put(P1, id, 'P2', { member: { can_share: true } })
    t.equal(await put(P2, id, 'P3'), 204)
    t.equal(await put({ ...P2, roles: 'reader' }, id, 'P4'), 403)
    t.equal(await remove(P2, id, 'P3'), 204)
    t.equal(await put(ADMIN, id, 'P3'), 204)
    const open = await stack.create(ADMIN, { visibility: 'public' })
    t.equal(await put(P1, open.id, 'P1'), 404, 'it is seen, and not theirs')
    t.equal(await put(ADMIN, open.id, 'P1'), 204, 'allowed, and of no effect')
    const closed = await stack.create(P1, { visibility: 'private' })
    const refused = await stack.json(P1, 'PUT', path(closed.id, 'P2'))
    t.equal(refused.status, 403)
    t.match(refused.body, /visibility/)
  })

  await t.test('limits', async (t) => {
    const { id } = await stack.create(P1)
    for (const member of ['a', 'b', 'c']) t.equal(await put(P1, id, member), 204)
    t.equal(await put(P1, id, 'd'), 413)
    t.equal(await put(P1, id, 'a'), 413, 'also one that is there')
    const four = ['d', 'e', 'f', 'g'].map((member_id) => ({ member_id }))
    t.equal(await replace(P1, id, four), 413)
    t.equal((await list(P1, id)).length, 3)
    t.equal(await replace(P1, id, four.slice(1)), 204)
  })

  await t.test('V1-101: what a member has got', async (t) => {
    const mine = await stack.create(P1)
    const other = await stack.create(P3)
    await put(P1, mine.id, 'Q', { member: { can_share: true } })
    await put(P3, other.id, 'Q')
    const one = { image_id: mine.id, can_share: true }
    const two = { image_id: other.id, can_share: false }
    t.same(await shared(ADMIN, 'Q'), [one, two])
    t.same(await shared({ project: 'Q', user: 'q', roles: 'member' }, 'Q'), [one, two])
    t.same(await shared(P1, 'Q'), [one], 'of their own images')
    t.same(await shared(P2, 'Q'), [])
    t.same(await shared(NOBODY, 'Q'), [])
    t.same(await shared(ADMIN, 'unknown'), [])
    await stack.call(P1, 'DELETE', `/v2/images/${mine.id}`)
    t.same(await shared(ADMIN, 'Q'), [two], 'those of deleted images are gone')
    t.equal((await stack.call(ADMIN, 'GET', path(mine.id))).status, 404)
  })

  await t.test('methods that are not there', async (t) => {
    const { id } = await stack.create(P1)
    const answer = await stack.call(P1, 'GET', path(id, 'x'))
    t.equal(answer.status, 405)
    t.match(answer.headers.allow, /PUT.*DELETE/)
    t.equal((await stack.call(P1, 'POST', path(id))).headers.allow, 'GET, PUT')
  })

  await t.test('v2 sees the members that v1 made, and the reverse', async (t) => {
    const { id } = await stack.create(P1)
    await put(P1, id, 'P2')
    const { body } = await stack.json(P1, 'GET', `/v2/images/${id}/members`)
    t.match(body.members, [{ member_id: 'P2', status: 'pending' }])
    t.notOk('can_share' in body.members[0])
    await stack.json(P1, 'POST', `/v2/images/${id}/members`, { member: 'P3' })
    t.equal((await list(P1, id)).length, 2)
  })
})

t.test('what the policy denies is 403', async (t) => {
  const stack = await openStack({ api: { policy: { delete_member: '!' } } })
  t.teardown(() => stack.close())
  const { id } = await stack.create(P1)
  const at = `/v1/images/${id}/members`
  t.equal((await stack.call(P1, 'PUT', `${at}/P2`)).status, 204)
  t.equal((await stack.call(P1, 'DELETE', `${at}/P2`)).status, 403)
  t.equal((await stack.json(P1, 'PUT', at, [])).status, 403, 'replacing removes, too')
  t.equal((await stack.json(P1, 'PUT', at, [{ member_id: 'P2', can_share: true }])).status, 204)
})
