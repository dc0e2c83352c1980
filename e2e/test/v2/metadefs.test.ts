import t, { type Test } from 'tap'
import { ADMIN, openStack, P1, P2, READER, type Stack } from '../../src/stack.ts'

t.setTimeout(120_000)

const BASE = '/v2/metadefs/namespaces'
const at = (...names: string[]) =>
  [BASE, ...names.map((name) => encodeURIComponent(name))].join('/')
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

const PROPERTY = { title: 'Cores', type: 'integer', minimum: 1, default: 2, operators: ['<or>'] }
const OBJECT = {
  name: 'CPU Limits',
  description: 'how much',
  required: ['quota'],
  properties: { quota: { title: 'Quota', type: 'integer' } }
}
const ALL = {
  objects: [OBJECT],
  properties: { 'hw:cpu/cores': PROPERTY },
  tags: [{ name: 'b' }, { name: 'a' }],
  resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }]
}

async function open(t: Test, api: Record<string, unknown> = {}) {
  const stack = await openStack({ api })
  t.teardown(() => stack.close())
  const make = async (namespace: string, fields: object = {}) => {
    const answer = await stack.json(ADMIN, 'POST', BASE, { namespace, ...fields })
    if (answer.status !== 201) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }
  return { stack, make }
}

const names = async (stack: Stack, query = '', who = ADMIN): Promise<string[]> => {
  const { body } = await stack.json(who, 'GET', `${BASE}${query}`)
  return body.namespaces.map(({ namespace }: { namespace: string }) => namespace)
}

t.test('namespaces', async (t) => {
  const { stack, make } = await open(t)

  await t.test('MDF1: from creation to deletion', async (t) => {
    const made = await make('OS::Test::One', { display_name: 'One', visibility: 'public' })
    t.equal(made.headers.location, `${stack.url}${BASE}/OS::Test::One`)
    const { created_at, updated_at, ...rest } = made.body
    t.same(rest, {
      namespace: 'OS::Test::One',
      display_name: 'One',
      visibility: 'public',
      protected: false,
      owner: 'ops',
      self: '/v2/metadefs/namespaces/OS::Test::One',
      schema: '/v2/schemas/metadefs/namespace'
    })
    t.match([created_at, updated_at], [TIME, TIME])
    const path = at('OS::Test::One')
    t.same((await stack.json(ADMIN, 'GET', path)).body, made.body)
    const list = (await stack.json(ADMIN, 'GET', BASE)).body
    t.same(list.namespaces, [made.body])
    t.same([list.first, list.schema], [BASE, '/v2/schemas/metadefs/namespaces'])
    const wish = { namespace: 'Two', description: 'd', protected: true }
    const changed = await stack.json(ADMIN, 'PUT', path, wish)
    t.match([changed.status, changed.body], [200, { ...wish, visibility: 'private' }])
    t.notOk('display_name' in changed.body, 'MD2, MD9: what is absent falls back and is not shown')
    t.equal((await stack.json(ADMIN, 'GET', path)).status, 404)
    t.equal((await stack.json(ADMIN, 'PUT', at('Two'), { namespace: 'Two' })).status, 200)
    const gone = await stack.call(ADMIN, 'DELETE', at('Two'))
    t.match([gone.status, gone.body.length], [204, 0])
    t.equal((await stack.json(ADMIN, 'GET', at('Two'))).status, 404)
    t.equal((await stack.call(ADMIN, 'DELETE', at('Two'))).status, 404)
  })

  await t.test('MDF2, MDF12: names and what may be said', async (t) => {
    await make('taken')
    const post = async (body: unknown) => (await stack.json(ADMIN, 'POST', BASE, body)).status
    t.equal(await post({ namespace: 'taken' }), 409)
    await make('mine')
    const renamed = await stack.json(ADMIN, 'PUT', at('mine'), { namespace: 'taken' })
    t.equal(renamed.status, 409)
    for (const [body, status] of [
      [{}, 400],
      [[], 400],
      [{ namespace: '' }, 400],
      [{ namespace: 'x'.repeat(81) }, 400],
      [{ namespace: 'x', colour: 'red' }, 400],
      [{ namespace: 'x', visibility: 'shared' }, 400],
      [{ namespace: 'x', description: 'x'.repeat(501) }, 400],
      [{ namespace: 'x', properties: { p: { title: 'p' } } }, 400],
      [{ namespace: 'x', properties: { ['p'.repeat(81)]: PROPERTY } }, 400],
      [{ namespace: 'x', objects: [{ description: 'no name' }] }, 400],
      [{ namespace: 'x', tags: ['x'] }, 400],
      [{ namespace: 'x', tags: [{ name: 'x' }, { name: 'X' }] }, 409],
      ...['self', 'schema', 'created_at', 'updated_at'].map((name): [object, number] => [
        { namespace: 'x', [name]: 'x' },
        403
      ])
    ] as [object, number][]) {
      t.equal(await post(body), status, JSON.stringify(body))
      if (status === 409) continue
      const put = await stack.json(ADMIN, 'PUT', at('mine'), body)
      t.equal(put.status, status, `PUT ${JSON.stringify(body)}`)
    }
    t.equal((await stack.json(ADMIN, 'GET', at('x'))).status, 404, 'nothing of it is left')
    const bytes = { body: '{"namespace": "x"', headers: { 'content-type': 'application/json' } }
    t.equal((await stack.call(ADMIN, 'POST', BASE, bytes)).status, 400)
    t.equal((await stack.call(ADMIN, 'POST', BASE)).status, 400)
  })

  await t.test('MDF13, MDF14: pages', async (t) => {
    for (const name of ['c d', 'b&c', 'a/é']) await make(name)
    const all = await names(stack)
    t.same(all, ['a/é', 'b&c', 'c d', 'mine', 'taken'])
    const seen: string[] = []
    let next: string | undefined = `${BASE}?limit=2&sort_dir=asc`
    for (; next !== undefined; ) {
      const { body } = await stack.json(ADMIN, 'GET', next)
      seen.push(...body.namespaces.map(({ namespace }: { namespace: string }) => namespace))
      next = body.next as string | undefined
    }
    t.same(seen, all.toReversed())
    t.same(await names(stack, `?marker=${encodeURIComponent('b&c')}&limit=1`), ['c d'])
    t.same(await names(stack, '?sort_key=namespace&sort_dir=asc&limit=1'), ['a/é'])
    t.equal((await stack.json(ADMIN, 'GET', `${BASE}?marker=absent`)).status, 404)
    for (const wrong of [
      'sort_dir=bogus',
      'sort_key=x',
      'visibility=bogus',
      'limit=-1',
      'limit=x'
    ]) {
      t.equal((await stack.json(ADMIN, 'GET', `${BASE}?${wrong}`)).status, 400, wrong)
    }
    t.equal((await stack.json(ADMIN, 'GET', at('a/é'))).body.namespace, 'a/é')
  })
})

t.test('MDF3: who sees and writes what', async (t) => {
  const { stack, make } = await open(t)
  await make('public', { visibility: 'public', owner: 'P1', ...ALL })
  await make('private', { owner: 'P1', ...ALL })
  t.same(await names(stack, '', P1), ['private', 'public'])
  t.same(await names(stack, '', READER), ['private', 'public'])
  t.same(await names(stack, '', P2), ['public'])
  t.same(await names(stack, '?visibility=private', P2), [])
  t.same(await names(stack, '?visibility=private'), ['private'])
  const below = ['', '/objects', '/properties', '/tags', '/resource_types', '/tags/a']
  for (const path of below) {
    t.equal((await stack.json(P2, 'GET', `${BASE}/public${path}`)).status, 200, path)
    t.equal((await stack.json(READER, 'GET', `${BASE}/private${path}`)).status, 200, path)
    t.equal((await stack.json(P2, 'GET', `${BASE}/private${path}`)).status, 404, path)
  }
  const writes: [method: string, path: string, body?: unknown][] = [
    ['PUT', '', { namespace: 'x' }],
    ['DELETE', ''],
    ['POST', '/objects', { name: 'x' }],
    ['DELETE', '/objects'],
    ['PUT', '/objects/CPU%20Limits', { name: 'x' }],
    ['DELETE', '/properties/hw:cpu%2Fcores'],
    ['POST', '/tags', { tags: [] }],
    ['POST', '/tags/x'],
    ['POST', '/resource_types', { name: 'x' }],
    ['DELETE', '/resource_types/OS::Glance::Image']
  ]
  for (const [method, path, body] of writes) {
    const status = async (who: typeof P1, name: string) =>
      (await stack.json(who, method, `${BASE}/${name}${path}`, body)).status
    t.equal(await status(P1, 'private'), 403, `${method} ${path}: its own project`)
    t.equal(await status(P2, 'public'), 403, `${method} ${path}: another one`)
    t.equal(await status(P2, 'private'), 404, `${method} ${path}: who does not see it`)
  }
  t.equal((await stack.json(P1, 'POST', BASE, { namespace: 'x' })).status, 403)
})

t.test('MDF3: rules may let projects write what is theirs', async (t) => {
  const rule = 'role:admin or (role:member and project_id:%(owner)s)'
  const actions = ['add_metadef_namespace', 'modify_metadef_namespace', 'add_metadef_tags']
  const policy = Object.fromEntries(actions.map((action) => [action, rule]))
  const { stack, make } = await open(t, { policy })
  await make('foreign', { visibility: 'public' })
  const own = await stack.json(P1, 'POST', BASE, { namespace: 'own' })
  t.match([own.status, own.body.owner], [201, 'P1'])
  t.equal((await stack.json(P1, 'POST', `${BASE}/own/tags`, { tags: [] })).status, 201)
  t.equal((await stack.json(P1, 'POST', `${BASE}/foreign/tags`, { tags: [] })).status, 403)
  t.equal((await stack.json(P1, 'PUT', at('foreign'), { namespace: 'x' })).status, 403)
  t.equal((await stack.json(READER, 'POST', `${BASE}/own/tags`, { tags: [] })).status, 403)
  const given = { namespace: 'own', owner: 'P2' }
  t.equal((await stack.json(P1, 'PUT', at('own'), given)).status, 403)
  t.equal((await stack.json(P1, 'POST', BASE, { ...given, namespace: 'y' })).status, 403)
  t.equal((await stack.json(ADMIN, 'PUT', at('own'), given)).body.owner, 'P2')
})

t.test('what is in a namespace', async (t) => {
  const { stack, make } = await open(t)
  const status = async (method: string, path: string, body?: unknown) =>
    (await stack.json(ADMIN, method, path, body)).status

  await t.test('MDF4: children come back as they were given', async (t) => {
    const made = await make('all', ALL)
    t.match(made.body, ALL)
    t.match(made.body.objects[0], {
      self: '/v2/metadefs/namespaces/all/objects/CPU%20Limits',
      schema: '/v2/schemas/metadefs/object',
      created_at: TIME
    })
    t.same(made.body.tags, ALL.tags)
    t.same(made.body.properties, ALL.properties)
    t.same((await stack.json(ADMIN, 'GET', at('all'))).body, made.body)
    const { self, schema, created_at, updated_at, ...copy } = made.body
    const again = await stack.json(ADMIN, 'PUT', at('all'), copy)
    t.equal(again.status, 200, 'an answer may be sent back, as clients do')
    t.match(again.body, ALL)
    const other = await stack.json(ADMIN, 'POST', BASE, { ...copy, namespace: 'copy' })
    t.match([other.status, other.body], [201, ALL], 'also to make another one')
    t.equal(await status('DELETE', at('copy')), 204)
    const [row] = (await stack.json(ADMIN, 'GET', BASE)).body.namespaces
    t.match(row, { resource_type_associations: ALL.resource_type_associations })
    t.notOk('objects' in row || 'properties' in row || 'tags' in row)
    t.equal(await status('DELETE', at('all')), 204)
  })

  await t.test('MDF6: objects', async (t) => {
    await make('o')
    const made = await stack.json(ADMIN, 'POST', at('o', 'objects'), OBJECT)
    t.match([made.status, made.body], [201, { ...OBJECT, created_at: TIME }])
    t.equal(await status('POST', at('o', 'objects'), OBJECT), 409)
    t.equal(await status('POST', at('o', 'objects'), { name: 'x', size: 1 }), 400)
    t.equal(await status('POST', at('absent', 'objects'), OBJECT), 404)
    const path = at('o', 'objects', OBJECT.name)
    t.same((await stack.json(ADMIN, 'GET', path)).body, made.body)
    const list = (await stack.json(ADMIN, 'GET', at('o', 'objects'))).body
    t.same(list, { objects: [made.body], schema: 'v2/schemas/metadefs/objects' })
    const changed = await stack.json(ADMIN, 'PUT', path, { name: 'RAM' })
    t.match([changed.status, changed.body.name, changed.body.self], [200, 'RAM', /objects\/RAM$/])
    t.notOk('description' in changed.body)
    t.equal(await status('GET', path), 404)
    t.equal(await status('PUT', path, { name: 'x' }), 404)
    t.equal(await status('DELETE', at('o', 'objects', 'RAM')), 204)
    t.equal(await status('DELETE', at('o', 'objects', 'RAM')), 404)
    for (const name of ['x', 'y']) await status('POST', at('o', 'objects'), { name })
    t.equal(await status('DELETE', at('o', 'objects')), 204)
    t.same((await stack.json(ADMIN, 'GET', at('o', 'objects'))).body.objects, [])
  })

  await t.test('MDF7, MD7: properties', async (t) => {
    await make('p')
    const one = { name: 'hw:cpu/cores', ...PROPERTY }
    const made = await stack.json(ADMIN, 'POST', at('p', 'properties'), one)
    t.equal(made.status, 201)
    t.same(made.body, one)
    t.equal(await status('POST', at('p', 'properties'), one), 409)
    t.equal(await status('POST', at('p', 'properties'), { name: 'x', title: 'x' }), 400)
    t.equal(await status('POST', at('p', 'properties'), PROPERTY), 400)
    const list = (await stack.json(ADMIN, 'GET', at('p', 'properties'))).body
    t.same(list, { properties: { 'hw:cpu/cores': PROPERTY } })
    const path = at('p', 'properties', one.name)
    t.same((await stack.json(ADMIN, 'GET', path)).body, one)
    const wish = { name: '__proto__', title: 'odd', type: 'string' }
    t.same((await stack.json(ADMIN, 'PUT', path, wish)).body, wish)
    const odd = (await stack.json(ADMIN, 'GET', at('p', 'properties'))).body.properties
    t.same(Object.keys(odd), ['__proto__'])
    t.equal(await status('GET', path), 404)
    t.equal(await status('DELETE', at('p', 'properties', '__proto__')), 204)
    await status('POST', at('p', 'properties'), one)
    t.equal(await status('DELETE', at('p', 'properties')), 204)
    t.same((await stack.json(ADMIN, 'GET', at('p', 'properties'))).body, { properties: {} })
  })

  await t.test('MDF8, MDF9, MD5: tags', async (t) => {
    await make('t')
    const tags = async () =>
      (await stack.json(ADMIN, 'GET', at('t', 'tags'))).body.tags.map(
        ({ name }: { name: string }) => name
      )
    const made = await stack.json(ADMIN, 'POST', at('t', 'tags', 'a b'))
    t.match([made.status, made.body], [201, { name: 'a b', created_at: TIME }])
    t.equal(await status('POST', at('t', 'tags', 'A B')), 409)
    t.equal(await status('POST', at('t', 'tags', 'x'.repeat(81))), 400)
    t.equal(await status('POST', at('t', 'tags', 'x'), {}), 400, 'no body here')
    t.match((await stack.json(ADMIN, 'GET', at('t', 'tags', 'A B'))).body, { name: 'a b' })
    t.equal((await stack.json(ADMIN, 'PUT', at('t', 'tags', 'a b'), { name: 'c' })).body.name, 'c')
    t.equal(await status('GET', at('t', 'tags', 'a b')), 404)
    const list = (...words: string[]) => ({ tags: words.map((name) => ({ name })) })
    const post = async (body: unknown, headers = {}) =>
      (await stack.call(ADMIN, 'POST', at('t', 'tags'), { headers, body: JSON.stringify(body) }))
        .status
    const append = { 'X-Openstack-Append': 'True' }
    const replaced = await stack.json(ADMIN, 'POST', at('t', 'tags'), list('x', 'y'))
    t.match([replaced.status, replaced.body], [201, list('x', 'y')])
    t.same(await tags(), ['x', 'y'], 'replaced')
    t.equal(await post(list('z'), append), 201)
    t.same(await tags(), ['x', 'y', 'z'], 'added')
    t.equal(await post(list('n', 'Z'), append), 409)
    t.equal(await post(list('n', 'N')), 409)
    t.same(await tags(), ['x', 'y', 'z'], 'all or none')
    for (const wrong of [{}, { tags: ['x'] }, { tags: [{ name: '' }] }, []]) {
      t.equal(await post(wrong), 400, JSON.stringify(wrong))
    }
    t.equal(await status('DELETE', at('t', 'tags', 'x')), 204)
    t.equal(await status('DELETE', at('t', 'tags', 'x')), 404)
    t.equal(await status('DELETE', at('t', 'tags')), 204)
    t.same(await tags(), [])
  })

  await t.test('MDF10, MD4, MD6: resource types', async (t) => {
    await make('r')
    const types = async () =>
      (await stack.json(P1, 'GET', '/v2/metadefs/resource_types')).body.resource_types.map(
        ({ name }: { name: string }) => name
      )
    t.ok((await types()).includes('OS::Nova::Server'), 'MD8')
    const link = { name: 'My::Type', prefix: 'my_', properties_target: 'image' }
    const made = await stack.json(ADMIN, 'POST', at('r', 'resource_types'), link)
    t.match([made.status, made.body], [201, { ...link, created_at: TIME }])
    t.ok((await types()).includes('My::Type'))
    t.equal(await status('POST', at('r', 'resource_types'), link), 409)
    t.equal(await status('POST', at('r', 'resource_types'), { prefix: 'x' }), 400)
    const list = (await stack.json(ADMIN, 'GET', at('r', 'resource_types'))).body
    t.same(list, { resource_type_associations: [made.body] })
    await make('other')
    t.same(await names(stack, '?resource_types=My::Type,Absent'), ['r'])
    t.equal(await status('DELETE', at('r', 'resource_types', 'My::Type')), 204)
    t.equal(await status('DELETE', at('r', 'resource_types', 'My::Type')), 404)
    t.ok((await types()).includes('My::Type'), 'types themselves stay')
    t.same(await names(stack, '?resource_types=My::Type'), [])
  })

  await t.test('MDF11: names of properties on a resource', async (t) => {
    await make('x', ALL)
    const asked = '?resource_type=OS::Glance::Image'
    const { body } = await stack.json(ADMIN, 'GET', `${at('x')}${asked}`)
    t.same(body.properties, { 'hw_hw:cpu/cores': PROPERTY })
    t.match(body.objects, [{ properties: { hw_quota: {} }, required: ['hw_quota'] }])
    const other = await stack.json(ADMIN, 'GET', `${at('x')}?resource_type=Other`)
    t.same(other.body.properties, ALL.properties)
    const one = await stack.json(
      ADMIN,
      'GET',
      `${at('x', 'properties', 'hw_hw:cpu/cores')}${asked}`
    )
    t.match([one.status, one.body.name], [200, 'hw_hw:cpu/cores'])
    for (const path of [
      `${at('x', 'properties', 'hw:cpu/cores')}${asked}`,
      `${at('x', 'properties', 'hw_hw:cpu/cores')}?resource_type=Other`,
      at('x', 'properties', 'hw_hw:cpu/cores')
    ]) {
      t.equal(await status('GET', path), 404, path)
    }
  })

  await t.test('MDF5, MD3: what is protected stays', async (t) => {
    await make('kept', { protected: true, ...ALL })
    const before = (await stack.json(ADMIN, 'GET', at('kept'))).body
    for (const path of [
      at('kept'),
      at('kept', 'objects'),
      at('kept', 'objects', OBJECT.name),
      at('kept', 'properties'),
      at('kept', 'properties', 'hw:cpu/cores'),
      at('kept', 'tags'),
      at('kept', 'tags', 'a'),
      at('kept', 'resource_types', 'OS::Glance::Image')
    ]) {
      t.equal(await status('DELETE', path), 403, path)
    }
    t.same((await stack.json(ADMIN, 'GET', at('kept'))).body, before)
    t.equal(await status('POST', at('kept', 'objects'), { name: 'more' }), 201, 'it may grow')
    t.equal(await status('PUT', at('kept'), { namespace: 'kept', protected: false }), 200)
    t.equal(await status('DELETE', at('kept')), 204)
  })

  await t.test('MDF12: what the service writes', async (t) => {
    await make('w', ALL)
    const stale = { created_at: '2020-01-01T00:00:00Z' }
    t.equal(await status('PUT', at('w', 'objects', OBJECT.name), { ...OBJECT, ...stale }), 403)
    t.equal(await status('PUT', at('w', 'tags', 'a'), { name: 'a', ...stale }), 403)
    const property = { name: 'x', ...PROPERTY, ...stale }
    t.equal(await status('POST', at('w', 'properties'), property), 403)
    t.equal(await status('POST', at('w', 'resource_types'), { name: 'x', ...stale }), 403)
  })

  await t.test('HTP4: methods that are not there', async (t) => {
    for (const [method, path, allow] of [
      ['PATCH', BASE, 'GET, POST'],
      ['POST', at('w'), 'GET, PUT, DELETE'],
      ['PUT', at('w', 'tags'), 'GET, POST, DELETE'],
      ['PATCH', at('w', 'tags', 'a'), 'GET, POST, PUT, DELETE'],
      ['PUT', at('w', 'resource_types', 'x'), 'DELETE'],
      ['POST', '/v2/metadefs/resource_types', 'GET']
    ] as const) {
      const answer = await stack.call(ADMIN, method, path)
      t.match([answer.status, answer.headers.allow], [405, allow], `${method} ${path}`)
    }
    t.equal(await status('GET', '/v2/metadefs'), 404)
    t.equal(await status('GET', at('w', 'colours')), 404)
  })
})

t.test('SCH4: every schema has its name', async (t) => {
  const { stack } = await open(t)
  for (const name of ['namespace', 'object', 'property', 'tag', 'resource_type']) {
    const plural = name === 'property' ? 'properties' : `${name}s`
    const item = (await stack.json(P1, 'GET', `/v2/schemas/metadefs/${name}`)).body
    const list = (await stack.json(P1, 'GET', `/v2/schemas/metadefs/${plural}`)).body
    const shown = name === 'resource_type' ? 'resource_type_association' : name
    t.match(item, { name: shown, additionalProperties: false, required: Array })
    t.equal(list.name, name === 'property' ? plural : `${shown}s`)
    t.hasProps(list.properties, [list.name, 'first', 'next', 'schema'])
    t.equal('definitions' in item, name !== 'tag' && name !== 'resource_type', name)
  }
})
