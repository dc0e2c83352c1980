import t from 'tap'
import { openDatabase } from '../src/db/database.ts'
import { migrate } from '../src/index.ts'
import { parseRecordQuery, recordStatement } from '../src/list/records.ts'
import { create, createActive, createDatabase, openRegistry, upload } from './registry.ts'

const P1 = { project: 'P1', user: 'ann' }
const P2 = { project: 'P2', user: 'bob' }
const ADMIN = { project: 'ops', user: 'root', scope: 'all' } as const

t.test('records and memberships', async (t) => {
  const registry = await openRegistry(t)
  const record = async (caller: object, id: string) =>
    registry.call(caller, 'GET', `/records/${id}`)

  await t.test('an image with its properties apart, and exact times', async (t) => {
    const properties = { a: 'b', __proto__x: '1', id: 'no' }
    const refused = await registry.call(P1, 'POST', '/images', {
      ...{ id: '11111111-2222-4333-8444-555555555551', create_token: 'x', properties }
    })
    t.equal(refused.status, 400, 'an attribute is no property')
    const { id } = await createActive(registry, P1, 7, { name: 'n "q"', properties: { a: 'b' } })
    const { status, json, headers } = await record(P1, id)
    t.equal(status, 200)
    t.match(json, {
      ...{ id, name: 'n "q"', status: 'active', visibility: 'shared', owner: 'P1', size: 7 },
      ...{ deleted_at: null, properties: { a: 'b' }, checksum: 'cd'.repeat(16) },
      created_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
    })
    t.equal(headers.etag, `"${json.version}"`)
    t.equal((await record(P2, id)).status, 404)
    t.equal((await record(P1, 'x')).status, 404)
    await registry.call(P1, 'DELETE', `/images/${id}`)
    t.equal((await record(P1, id)).status, 404)
    const gone = await record(ADMIN, id)
    t.match(gone.json, { status: 'deleted', deleted_at: /^\d{4}/, properties: {} })
  })

  await t.test('V1-73: sizes have 64 bits', async (t) => {
    const size = 2 ** 51
    const { id } = await createActive(registry, P1, size)
    t.equal((await record(P1, id)).json.size, size)
    const query = `/records?size_min=${size}`
    const { json } = await registry.call(P1, 'GET', query)
    t.match(json, [{ id, size }])
  })

  await t.test('sizes that were announced are filtered as they are shown', async (t) => {
    const { id } = await create(registry, { project: 'P3' }, { announced: { size: 5120 } })
    for (const [query, found] of [
      ['size_max=20', []],
      ['size_min=5120&size_max=5120', [{ id, announced_size: 5120 }]],
      ['size_min=5121', []]
    ]) {
      const { json } = await registry.call({ project: 'P3' }, 'GET', `/records?${query}`)
      t.match(json, found)
      t.equal(json.length, found?.length, `${query}`)
    }
  })

  await t.test('V1-31: deleted and killed images are in lists of changes alone', async (t) => {
    const killed = await create(registry, P1, { name: 'killed' })
    const operation = upload(killed.id, { fallback: 'killed' })
    t.equal((await registry.call(P1, 'POST', '/operations', operation)).status, 201)
    const path = `/operations/${operation.id}/abandon`
    const end = { attempt: operation.attempt, reason: 'no' }
    t.equal((await registry.call(P1, 'POST', path, end)).status, 204)
    const list = async (caller: object, query: string) => {
      const { json } = await registry.call(caller, 'GET', `/records?${query}`)
      return (json as unknown as { id: string; status: string }[]).filter(
        ({ id }) => id === killed.id
      )
    }
    t.same(await list(P1, ''), [])
    t.match(await list(P1, 'changes-since=2020-01-01'), [{ status: 'killed' }])
    t.same(await list(P2, 'changes-since=2020-01-01'), [])
    t.match((await record(P1, killed.id)).json, { status: 'killed', size: null })
    await registry.call(P1, 'DELETE', `/images/${killed.id}`)
    t.match(await list(P1, 'changes-since=2020-01-01'), [{ status: 'deleted' }])
  })

  await t.test('V1-55: all members are replaced in one transaction, or none', async (t) => {
    const { id } = await create(registry, P1)
    const at = `/records/${id}/members`
    const members = async () => (await registry.call(P1, 'GET', at)).json.members
    const put = (list: unknown, limit: number | null = null) =>
      registry.call(P1, 'PUT', at, { members: list, limit })
    t.equal((await put([{ member_id: 'b' }, { member_id: 'a', can_share: true }])).status, 204)
    t.same(await members(), [
      { member_id: 'b', can_share: false },
      { member_id: 'a', can_share: true }
    ])
    t.equal((await put([{ member_id: 'c' }, { member_id: 'a' }])).status, 204)
    t.same(await members(), [
      { member_id: 'a', can_share: true },
      { member_id: 'c', can_share: false }
    ])
    t.equal((await put([{ member_id: 'x' }, { member_id: 'y' }], 1)).json.code, 'LIMIT_EXCEEDED')
    t.equal((await put([{ member_id: '' }])).status, 400)
    t.equal((await put([{ member_id: 'a', more: 1 }])).status, 400)
    t.equal((await registry.call(P2, 'PUT', at, { members: [] })).status, 404)
    t.same((await members()) as unknown[], [
      { member_id: 'a', can_share: true },
      { member_id: 'c', can_share: false }
    ])
    const twice = [
      { member_id: 'd', can_share: true },
      { member_id: 'd', can_share: false }
    ]
    t.equal((await put(twice)).status, 204, 'of a member named twice the last one counts')
    t.same(await members(), [{ member_id: 'd', can_share: false }])
    const both = await Promise.all([put([{ member_id: 'e' }]), put([{ member_id: 'f' }])])
    t.same(
      both.map(({ status }) => status),
      [204, 204]
    )
    t.equal(((await members()) as unknown[]).length, 1, 'one after the other')
  })

  await t.test('one member at a time', async (t) => {
    const { id } = await create(registry, P1)
    const put = (member: string, body: object) =>
      registry.call(P1, 'PUT', `/records/${id}/members/${member}`, body)
    t.equal((await put('a', { limit: 2 })).status, 204)
    t.equal((await put('a', { can_share: true, limit: 2 })).status, 204)
    t.equal((await put('b', { limit: 2 })).status, 204)
    t.equal((await put('c', { limit: 2 })).json.code, 'LIMIT_EXCEEDED')
    t.equal((await put('x'.repeat(256), {})).status, 400)
    const { json } = await registry.call(P1, 'GET', `/records/${id}/members`)
    t.same(json.members, [
      { member_id: 'a', can_share: true },
      { member_id: 'b', can_share: false }
    ])
    const shared = async (caller: object) =>
      (await registry.call(caller, 'GET', '/shared/a')).json.images
    t.same(await shared({ project: 'a' }), [{ image_id: id, can_share: true }])
    t.same(await shared(P1), [{ image_id: id, can_share: true }])
    t.same(await shared(P2), [])
    t.same(await shared({}), [])
    await registry.query(`UPDATE images SET visibility = 'private' WHERE id = $1`, [id])
    t.same(await shared({ project: 'a' }), [], 'what is private now is nobody else’s business')
    t.same(await shared(P1), [{ image_id: id, can_share: true }])
    const changes = await registry.query('SELECT type FROM changes WHERE image_id = $1', [id])
    t.same(
      changes.map(({ type }) => type),
      ['image.create', 'member.add', 'member.update', 'member.add']
    )
  })
})

t.test('pages of records are read in the order of an index', async (t) => {
  const url = await createDatabase(t)
  await migrate(url)
  const log = { warn: () => undefined }
  const database = openDatabase({ url, poolSize: 1, statementTimeoutMs: 60_000, log })
  t.teardown(() => database.close())
  await database.query(
    `INSERT INTO images (id, create_token, name, status, visibility, owner, protected, os_hidden,
       min_disk, min_ram, size, tags, properties, created_at, updated_at, deleted_at)
     SELECT gen_random_uuid(), 't', 'name ' || n % 5000,
       CASE WHEN n % 2 = 0 THEN 'active' ELSE 'deleted' END,
       CASE WHEN n % 50 < 2 THEN 'public' WHEN n % 4 < 2 THEN 'shared' ELSE 'private' END,
       'p' || n % 100, false, false, 0, 0, n, '{}',
       CASE WHEN n % 1000 = 4 THEN '{"rare":"yes"}'::jsonb ELSE '{}' END,
       now() - n * interval '1 second', now() - n * interval '1 second',
       CASE WHEN n % 2 = 0 THEN NULL ELSE now() END
     FROM generate_series(1, 40000) n`,
    []
  )
  await database.query('ANALYZE images', [])
  const member = { project: 'p8', user: null, scope: 'project', requestId: 'r' } as const
  const admin = { ...member, scope: 'all' } as const
  const recently = new Date(Date.now() - 60_000).toISOString()
  const deep = ['2024-01-01T00:00:00Z', '00000000-0000-4000-8000-000000000000']
  for (const caller of [member, admin])
    for (const search of [
      ...['', 'sort_key=name&sort_dir=asc', 'sort_key=size', 'property-rare=yes', 'name=name%207'],
      ...['is_public=none', 'is_public=false', 'changes-since=2020-01-01', 'size_min=39000'],
      ...[`changes-since=${recently}`, 'changes-since=2020-01-01&sort_key=name&sort_dir=asc']
    ])
      for (const isDeep of [false, true]) {
        const query = parseRecordQuery(search, { default: 25, max: 1000 })
        const first = query.sort[0]?.name
        const key = first === 'name' ? ['name 5'] : first === 'size' ? ['5'] : []
        const statement = recordStatement(caller, query, isDeep ? [...key, ...deep] : undefined)
        if (statement === undefined) throw new Error('nothing to see')
        const rows = await database.query(`EXPLAIN ${statement.text}`, statement.values)
        const text = rows.join('\n')
        const name = `${caller.scope} ${search} ${isDeep ? 'deep' : ''}`
        t.notMatch(text, /Seq Scan on images/, name)
        t.match(text, /Index Scan.* (using|on) images_/, name)
        if (search.includes('changes')) t.match(text, /images_\w+_gone_/, name)
      }
})
