import type { MetadefKind, NamespaceDocument, NamespacePage } from '@tank/model'
import t from 'tap'
import { openRegistry, type TestCaller } from './registry.ts'

const admin: TestCaller = { scope: 'all', project: 'ops' }
const registry = await openRegistry(t)
const { call, query } = registry

const at = (...names: string[]) =>
  ['/metadefs/namespaces', ...names.map((name) => encodeURIComponent(name))].join('/')
const make = (namespace: string, fields: object = {}) =>
  call(admin, 'POST', at(), { namespace, owner: 'P1', ...fields })
const show = async (namespace: string, caller = admin) =>
  (await call(caller, 'GET', at(namespace))).json as unknown as NamespaceDocument
const add = (namespace: string, kind: MetadefKind, definitions: object[], more: object = {}) =>
  call(admin, 'POST', at(namespace, kind), { definitions, ...more })
const list = async (caller: TestCaller, search = '') => {
  const { status, json } = await call(caller, 'GET', `${at()}${search}`)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`)
  const { namespaces, next } = json as unknown as NamespacePage
  return { names: namespaces.map(({ namespace }) => namespace), next }
}

const PROPERTY = { name: 'hw:cores', title: 'Cores', type: 'integer', minimum: 1, default: 2 }
const ALL = {
  objects: [{ name: 'CPU', properties: { 'hw:arch': { title: 'A', type: 'string' } } }],
  properties: [PROPERTY],
  tags: [{ name: 'b' }, { name: 'a' }],
  resource_types: [{ name: 'OS::Glance::Image', prefix: 'hw_' }, { name: 'My::Type' }]
}

t.test('MDF4, MD6 a namespace comes with all that is in it, or not at all', async (t) => {
  const made = await make('all', { definitions: ALL, visibility: 'public' })
  t.equal(made.status, 201, made.text)
  t.match(made.json, {
    namespace: 'all',
    owner: 'P1',
    visibility: 'public',
    protected: false,
    ...ALL
  })
  t.match(made.json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.same(await show('all'), made.json)
  const twice = { ...ALL, tags: [{ name: 'a' }, { name: 'A' }], resource_types: [{ name: 'New' }] }
  const refused = await make('half', { definitions: twice })
  t.match(refused.json, { status: 409, code: 'METADEF_EXISTS' })
  t.match(await show('half'), { status: 404, code: 'METADEF_NOT_FOUND' })
  const types = (await call(admin, 'GET', '/metadefs/resource_types')).json.resource_types
  const names = (types as { name: string }[]).map(({ name }) => name)
  t.ok(names.includes('My::Type'), 'an unknown type is made')
  t.ok(names.includes('OS::Nova::Server'), 'MD8 others are there from the start')
  t.notOk(names.includes('New'), 'a refused request leaves nothing')
})

t.test('MDF2 names are unique, also of many at once, and after a rename', async (t) => {
  const many = await Promise.all(Array.from({ length: 8 }, () => make('race')))
  t.same(many.map(({ status }) => status).sort(), [201, ...Array(7).fill(409)])
  await make('other')
  const taken = await call(admin, 'PUT', at('other'), { namespace: 'race' })
  t.match(taken.json, { status: 409, code: 'METADEF_EXISTS' })
  const moved = await call(admin, 'PUT', at('other'), { namespace: 'moved', description: 'd' })
  t.match(moved.json, { namespace: 'moved', description: 'd', owner: null, visibility: 'private' })
  t.equal((await call(admin, 'GET', at('other'))).status, 404)
})

t.test('MDF3, S-01 a project sees public namespaces and its own', async (t) => {
  await query('DELETE FROM metadef_namespaces')
  await make('p', { visibility: 'public' })
  await make('mine')
  await make('foreign', { owner: 'P2' })
  await make('nobody’s', { owner: null })
  t.same((await list({ project: 'P1' })).names, ['mine', 'p'])
  t.same((await list({ project: null })).names, ['p'])
  t.same((await list(admin)).names, ['nobody’s', 'foreign', 'mine', 'p'])
  t.same((await list(admin, '?visibility=public')).names, ['p'])
  const stranger: TestCaller = { project: 'P1' }
  for (const name of ['foreign', 'nobody’s', 'absent']) {
    const answers = [
      await call(stranger, 'GET', at(name)),
      await call(stranger, 'PUT', at(name), { namespace: name }),
      await call(stranger, 'DELETE', at(name)),
      await call(stranger, 'POST', at(name, 'tags'), { definitions: [{ name: 'x' }] }),
      await call(stranger, 'PUT', at(name, 'tags', 'x'), { name: 'y' }),
      await call(stranger, 'DELETE', at(name, 'tags')),
      await call(stranger, 'GET', `${at()}?marker=${encodeURIComponent(name)}`)
    ]
    for (const { status } of answers) t.equal(status, 404, name)
  }
})

t.test('MDF13, MDF14, MD1 pages, order and filters', async (t) => {
  await query('DELETE FROM metadef_namespaces')
  for (const name of ['b', 'a', 'd', 'c']) await make(name)
  await add('a', 'resource_types', [{ name: 'T1' }, { name: 'T2' }])
  await add('d', 'resource_types', [{ name: 'T2' }])
  await query(`UPDATE metadef_namespaces SET created_at = '2026-01-01', updated_at = '2026-01-01'`)
  for (const [order, names] of [
    ['sort_dir=asc', ['b', 'a', 'd', 'c']],
    ['sort_dir=desc', ['c', 'd', 'a', 'b']],
    ['sort_key=namespace&sort_dir=asc', ['a', 'b', 'c', 'd']],
    ['sort_key=updated_at', ['c', 'd', 'a', 'b']]
  ] as const) {
    const first = await list(admin, `?limit=3&${order}`)
    const second = await list(admin, `?limit=3&${order}&marker=${first.next}`)
    t.same([...first.names, ...second.names], names, order)
    t.equal(second.next, null)
  }
  t.same((await list(admin, '?resource_types=T1')).names, ['a'])
  t.same((await list(admin, '?resource_types=T0,T2')).names, ['d', 'a'])
  t.same(await list(admin, '?limit=0'), { names: [], next: null })
  for (const wrong of ['limit=-1', 'limit=', 'sort_dir=x', 'sort_key=owner', 'visibility=shared']) {
    t.equal((await call(admin, 'GET', `${at()}?${wrong}`)).json.code, 'INVALID_QUERY', wrong)
  }
})

t.test('MDF6, MDF7, MDF9, MD5, MD7 definitions of every kind', async (t) => {
  await make('defs')
  const names = async (kind: MetadefKind) => (await show('defs'))[kind].map(({ name }) => name)
  for (const kind of ['objects', 'properties', 'tags', 'resource_types'] as const) {
    const fields = kind === 'properties' ? { title: 'T', type: 'string' } : {}
    const one = (name: string) => ({ name, ...fields })
    const made = await add('defs', kind, [one('x:/ü'), one('b')])
    t.match([made.status, made.json], [201, { definitions: [one('x:/ü'), one('b')] }])
    t.match((await add('defs', kind, [one('c'), one('b')])).json, { code: 'METADEF_EXISTS' })
    t.same(await names(kind), ['x:/ü', 'b'], 'all or none')
    const path = at('defs', kind, 'x:/ü')
    t.match((await call(admin, 'PUT', path, one('b'))).json, { code: 'METADEF_EXISTS' })
    t.match((await call(admin, 'PUT', path, one('d'))).json, one('d'))
    t.equal((await call(admin, 'PUT', path, one('d'))).status, 404)
    t.same(await names(kind), ['d', 'b'], 'a changed one keeps its place')
    await add('defs', kind, [one('e'), one('b')], { replace: true })
    t.same(await names(kind), ['e', 'b'])
    t.equal((await call(admin, 'DELETE', at('defs', kind, 'b'))).status, 204)
    t.equal((await call(admin, 'DELETE', at('defs', kind, 'b'))).status, 404)
    t.same(await names(kind), ['e'])
    t.equal((await call(admin, 'DELETE', at('defs', kind))).status, 204)
    t.equal((await call(admin, 'DELETE', at('defs', kind))).status, 204, 'also when there is none')
    t.same(await names(kind), [])
  }
  await add('defs', 'tags', [{ name: 'Big' }])
  t.equal((await add('defs', 'tags', [{ name: 'bIG' }])).status, 409)
  t.equal((await call(admin, 'PUT', at('defs', 'tags', 'BIG'), { name: 'big' })).status, 200)
  t.same(await names('tags'), ['big'])
  t.equal((await add('defs', 'objects', [{ name: 'a' }, { name: 'A' }])).status, 201)
})

t.test('MDF5, MD3, MD4 nothing is deleted from a protected namespace', async (t) => {
  await make('kept', { protected: true, definitions: ALL })
  const before = await show('kept')
  for (const path of [
    at('kept'),
    ...['objects', 'properties', 'tags', 'resource_types'].map((kind) => at('kept', kind)),
    at('kept', 'objects', 'CPU'),
    at('kept', 'tags', 'absent')
  ]) {
    const { json } = await call(admin, 'DELETE', path)
    t.match(json, { status: 403, code: 'METADEF_PROTECTED' }, path)
  }
  t.same(await show('kept'), before)
  t.equal((await call(admin, 'PUT', at('kept'), { namespace: 'kept' })).status, 200)
  t.equal((await call(admin, 'DELETE', at('kept'))).status, 204)
  t.equal((await call(admin, 'GET', at('kept'))).status, 404)
  const [left] = await query(
    `SELECT count(*)::int AS count FROM metadef_definitions WHERE name = 'CPU'`
  )
  t.equal(left?.count, 0)
  await make('kept')
  t.same((await show('kept')).objects, [], 'a namespace of the same name is another one')
})

t.test('S-52 what is in a definition is checked', async (t) => {
  await make('checked')
  const wrong: [MetadefKind, object][] = [
    ['objects', {}],
    ['objects', { name: '' }],
    ['objects', { name: 'x'.repeat(81) }],
    ['objects', { name: 'e\u0301'.repeat(80) }],
    ['objects', { name: 'x', properties: { p: { title: 'p' } } }],
    ['objects', { name: 'x', required: 'all' }],
    ['objects', JSON.parse('{"name": "x", "__proto__": 1}')],
    ['properties', { name: 'x', title: 'x' }],
    ['properties', { name: 'x', title: 'x', type: 'text' }],
    ['properties', { ...PROPERTY, minimum: 'low' }],
    ['properties', { ...PROPERTY, unknown: 1 }],
    ['tags', { name: 'x', colour: 'red' }],
    ['tags', { name: 'nul\u0000' }],
    ['resource_types', { name: 'x', prefix: 5 }]
  ]
  for (const [kind, definition] of wrong) {
    const { status, json } = await add('checked', kind, [definition])
    t.match([status, json], [400, { code: 'INVALID_REQUEST' }], JSON.stringify(definition))
  }
  for (const fields of [
    { namespace: '' },
    { namespace: 'é'.repeat(81) },
    { description: 'x'.repeat(501) },
    { display_name: 'x'.repeat(81) },
    { owner: 'x'.repeat(256) },
    { visibility: 'shared' },
    { protected: 'yes' },
    { self: 'x' }
  ]) {
    t.equal((await make('wrong', fields)).status, 400, JSON.stringify(fields))
  }
  const { status } = await make('é'.repeat(80), { description: '𝒳'.repeat(500) })
  t.equal(status, 201, 'code points are counted')
  const odd = JSON.parse('{"name":"o","properties":{"__proto__":{"type":"object","title":"t"}}}')
  t.equal((await add('checked', 'objects', [odd])).status, 201)
  const [stored] = (await show('checked')).objects
  t.same(JSON.stringify(stored?.properties), JSON.stringify(odd.properties))
})
