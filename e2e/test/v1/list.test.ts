import t from 'tap'
import { ADMIN, type Doc, openStack, P1, P2, P3, type Stack, type Who } from '../../src/stack.ts'

/** Lists of a stack through v1. */
function listsOf(stack: Stack) {
  const images = async (who: Who, query = '', path = 'detail'): Promise<Doc[]> => {
    const at = path === 'detail' ? '/v1/images/detail' : '/v1/images'
    const { status, body } = await stack.json(who, 'GET', `${at}?limit=1000&${query}`)
    if (status !== 200) throw new Error(`${query}: ${status} ${body}`)
    return body.images
  }
  const names = async (who: Who, query = '') => (await images(who, query)).map(({ name }) => name)
  const refused = async (who: Who, query: string) => {
    const answer = await stack.json(who, 'GET', `/v1/images?${query}`)
    return `${answer.status} ${answer.body}`
  }
  return { images, names, refused }
}

t.test('lists', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const { images, names, refused } = listsOf(stack)
  const small = await stack.create(P1, { name: 'My Image!', min_ram: 64, pants: 'are on' })
  await stack.upload(P1, small.id, 'x'.repeat(19))
  const large = await stack.create(P1, {
    ...{ name: 'Other', disk_format: 'vdi', container_format: 'ovf', protected: true },
    ...{ pants: 'are on', shirt: 'too', min_disk: 5 }
  })
  await stack.upload(P1, large.id, 'x'.repeat(20))
  const queued = await stack.create(P1, { name: 'in:a,b', pants: 'are off' })
  await stack.create(P1, { name: 'hidden', os_hidden: true })

  await t.test('V1-05, V1-06: keys of brief and of full entries', async (t) => {
    const [brief] = await images(P1, 'name=Other', 'brief')
    t.same(Object.keys(brief ?? {}).sort(), [
      ...['checksum', 'container_format', 'disk_format', 'id', 'name', 'size']
    ])
    const [full] = await images(P1, 'name=in:a,b')
    t.match(full, {
      ...{ deleted: false, deleted_at: null, size: 0, checksum: null, status: 'queued' },
      ...{ is_public: false, protected: false, owner: 'P1', min_ram: 0, virtual_size: null },
      properties: { pants: 'are off' }
    })
    t.same(
      Object.keys(full ?? {}).sort(),
      [
        ...['id', 'name', 'status', 'size', 'virtual_size', 'disk_format', 'container_format'],
        ...['min_disk', 'min_ram', 'is_public', 'protected', 'deleted', 'checksum', 'owner'],
        ...['created_at', 'updated_at', 'deleted_at', 'properties']
      ].sort()
    )
    const plain = await stack.create(P1, { name: 'plain' })
    t.same((await images(P1, 'name=plain'))[0]?.properties, {})
    await stack.call(P1, 'DELETE', `/v2/images/${plain.id}`)
  })

  await t.test('V1-24: name, compared as it is', async (t) => {
    t.same(await names(P1, 'name=My%20Image!'), ['My Image!'])
    t.same(await names(P1, 'name=my%20image!'), [])
    t.same(await names(P1, 'name=in:a,b'), ['in:a,b'], 'no operators')
  })

  await t.test('V1-25, V1-26: status and formats', async (t) => {
    t.same(await names(P1, 'status=queued'), ['in:a,b'])
    t.same(await names(P1, 'status=active'), ['Other', 'My Image!'])
    t.same(await names(P1, 'status=bogus'), [])
    t.same(await names(P1, 'container_format=ovf'), ['Other'])
    t.same(await names(P1, 'disk_format=vdi&container_format=ovf'), ['Other'])
    t.same(await names(P1, 'disk_format=vdi&container_format=bare'), [])
  })

  await t.test('V1-27: sizes, the bound included', async (t) => {
    t.same(await names(P1, 'size_max=19'), ['in:a,b', 'My Image!'])
    t.same(await names(P1, 'size_min=20'), ['Other'])
    t.same(await names(P1, 'size_min=19&size_max=20'), ['Other', 'My Image!'])
  })

  await t.test('V1-94: min_ram and min_disk are equal, not at least', async (t) => {
    t.same(await names(P1, 'min_ram=64'), ['My Image!'])
    t.same(await names(P1, 'min_ram=63'), [])
    t.same(await names(P1, 'min_ram=0'), ['in:a,b', 'Other'])
    t.same(await names(P1, 'min_disk=5'), ['Other'])
    t.same(await names(P1, 'min_disk=rubbish'), [])
  })

  await t.test('V1-29: protected', async (t) => {
    for (const yes of ['True', 'true', '1']) t.same(await names(P1, `protected=${yes}`), ['Other'])
    for (const no of ['False', '0']) t.equal((await names(P1, `protected=${no}`)).length, 2)
  })

  await t.test('V1-30: properties', async (t) => {
    t.same(await names(P1, 'property-pants=are%20on'), ['Other', 'My Image!'])
    t.same(await names(P1, 'property-pants=are%20on&name=Other'), ['Other'])
    t.same(await names(P1, 'property-pants=are%20on&property-shirt=too'), ['Other'])
    t.same(await names(P1, 'property-pants=x'), [])
    t.same(await names(P1, 'property-unknown=x'), [])
    t.same(await names(P1, 'property-__proto__=x'), [])
  })

  await t.test(
    'V1-32, V1-33: filters that cannot be, in the words that clients know',
    async (t) => {
      const bad: [query: string, text: string][] = [
        ...['size_min', 'size_max', 'min_ram'].flatMap((name): [string, string][] => [
          [`${name}=-1`, `filter ${name} got -1`],
          [`${name}=x`, `filter ${name} got x`],
          [`${name}=`, `filter ${name} got `]
        ]),
        ['protected=rubbish', 'filter protected got rubbish'],
        ['protected=none', 'filter protected got none'],
        ['is_public=rubbish', 'filter is_public got rubbish'],
        ['changes-since=', 'filter changes-since got'],
        ['changes-since=yesterday', 'filter changes-since got yesterday']
      ]
      for (const [query, text] of bad) {
        const answer = await refused(P1, query)
        t.ok(answer.startsWith('400 ') && answer.includes(text), `${query}: ${answer}`)
      }
      for (const query of ['limit=-1', 'limit=x', 'limit=', 'sort_key=owner', 'sort_dir=up'])
        t.match(await refused(P1, query), /^400 /, query)
    }
  )

  await t.test('parameters that v1 does not know are of no matter', async (t) => {
    t.equal((await names(P1, 'deleted=true&os_hidden=true&owner=x&foo=bar')).length, 3)
  })

  await t.test('V1-37, V1-38: order', async (t) => {
    t.same(await names(P1), ['in:a,b', 'Other', 'My Image!'])
    t.same(await names(P1, 'sort_key=name&sort_dir=asc'), ['My Image!', 'Other', 'in:a,b'])
    t.same(await names(P1, 'sort_key=size'), ['Other', 'My Image!', 'in:a,b'])
    const up = await names(P1, 'sort_key=created_at&sort_dir=asc')
    t.same(up, ['My Image!', 'Other', 'in:a,b'])
    for (const key of ['status', 'container_format', 'disk_format', 'id', 'updated_at'])
      t.equal((await names(P1, `sort_key=${key}`)).length, 3, key)
  })

  await t.test('V1-34, V1-35, V1-36, V1-96: pages', async (t) => {
    for (const path of ['/v1/images', '/v1/images/detail']) {
      const ids = async (query: string) =>
        (await stack.json(P1, 'GET', `${path}?${query}`)).body.images.map(({ id }: Doc) => id)
      t.same(await ids('limit=2'), [queued.id, large.id])
      t.same(await ids(`marker=${large.id}`), [small.id])
      t.same(await ids(`limit=1&marker=${queued.id}`), [large.id])
      t.same(await ids('limit=0'), [])
      t.same(await ids(`marker=${large.id}&name=My%20Image!`), [small.id], 'it need not match')
      t.same(await ids(`marker=${small.id}&sort_key=name&sort_dir=asc`), [large.id, queued.id])
    }
    const foreign = await stack.create(P2)
    const gone = await stack.create(P1, { name: 'gone' })
    await stack.call(P1, 'DELETE', `/v2/images/${gone.id}`)
    for (const marker of [foreign.id, gone.id, 'x', '', '11111111-2222-4333-8444-555555555555'])
      t.match(await refused(P1, `marker=${marker}`), /^400 .*marker/s, marker)
    const answer = await stack.json(ADMIN, 'GET', `/v1/images?is_public=none&marker=${gone.id}`)
    t.equal(answer.status, 200, 'an administrator may begin at a deleted one')
    t.ok(answer.body.images.some(({ id }: Doc) => id === small.id))
    await stack.call(P2, 'DELETE', `/v2/images/${foreign.id}`)
  })

  await t.test('V1-31, V1-95: what changed, deleted images among it', async (t) => {
    const day = 86_400_000
    const at = (ms: number) => encodeURIComponent(new Date(Date.now() + ms).toISOString())
    const gone = await stack.create(P1, { name: 'gone', pants: 'are on' })
    await stack.call(P1, 'DELETE', `/v2/images/${gone.id}`)
    const yesterday = await names(P1, `changes-since=${at(-day)}`)
    for (const name of ['gone', 'Other', 'My Image!', 'in:a,b'])
      t.ok(yesterday.includes(name), name)
    t.same(await names(P1, `changes-since=${at(day)}`), [])
    t.same(await names(P1, 'changes-since=20140203&name=gone&status=deleted'), ['gone', 'gone'])
    const offset = encodeURIComponent('2014-02-03T00:00:00+05:30')
    t.ok((await names(P1, `changes-since=${offset}`)).includes('gone'))
    const [shown] = (await images(P1, `changes-since=${at(-day)}`)).filter(
      ({ id }) => id === gone.id
    )
    t.match(shown, { deleted: true, status: 'deleted', deleted_at: /^\d{4}-/, properties: {} })
    t.notOk((await names(P2, `changes-since=${at(-day)}`)).includes('gone'), 'not those of others')
    const last = (await images(P1, 'name=Other'))[0]?.updated_at
    t.notOk((await names(P1, `changes-since=${last}`)).includes('Other'), 'strictly later')
  })
})

t.test('who lists what', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const { names, refused } = listsOf(stack)
  for (const visibility of ['public', 'private', 'shared', 'community']) {
    await stack.create(ADMIN, { name: `P1 ${visibility}`, visibility, owner: 'P1' })
    await stack.create(ADMIN, { name: `nobody's ${visibility}`, visibility, owner: null })
  }
  const own = await stack.create(ADMIN, { name: 'own of ops' })
  const shared = await stack.create(P1, { name: 'to P2' })
  await stack.json(P1, 'PUT', `/v1/images/${shared.id}/members/P2`)
  const open = ['P1 public', "nobody's public"]
  const sorted = async (who: Who, query = '') => (await names(who, query)).sort()
  const all = ['P1', "nobody's"].flatMap((owner) =>
    ['public', 'private', 'shared', 'community'].map((visibility) => `${owner} ${visibility}`)
  )

  await t.test('V1-57, V1-54: own, public, and shared ones', async (t) => {
    t.same(await sorted(P3), open)
    t.same(await sorted(P2), [...open, 'to P2'], 'whether it was accepted or not')
    const mine = [
      'P1 community',
      'P1 private',
      'P1 public',
      'P1 shared',
      "nobody's public",
      'to P2'
    ]
    t.same(await sorted(P1), mine)
    t.same(await sorted({ user: 'nil', roles: 'member' }), open, 'of no project')
    const { id } = await stack.create(ADMIN, { owner: null, name: 'reachable' })
    t.equal((await stack.call(P3, 'HEAD', `/v1/images/${id}`)).status, 200)
    await stack.call(ADMIN, 'DELETE', `/v2/images/${id}`)
  })

  await t.test('V1-61, V1-28: administrators ask for more', async (t) => {
    for (const query of ['', 'is_public=True', 'is_public=1'])
      t.same(await sorted(ADMIN, query), [...open, 'own of ops'].sort(), query)
    t.same(
      await sorted(ADMIN, 'is_public=False'),
      [...all.filter((name) => !name.endsWith('public')), 'own of ops', 'to P2'].sort()
    )
    t.same(await sorted(ADMIN, 'is_public=None'), [...all, 'own of ops', 'to P2'].sort())
    t.same(await sorted(P3, 'is_public=None'), open, 'nobody else')
    t.same(await sorted(P3, 'is_public=False'), open)
    t.match(await refused(P3, 'is_public=x'), /^400/)
  })

  await t.test('V1-58: what becomes public is listed', async (t) => {
    const replace = (visibility: string) => [
      { op: 'replace', path: '/visibility', value: visibility }
    ]
    await stack.patch(ADMIN, own.id, replace('public'))
    t.ok((await names(P3)).includes('own of ops'))
    await stack.patch(ADMIN, own.id, replace('shared'))
    t.notOk((await names(P3)).includes('own of ops'))
  })

  await t.test('limits of pages', async (t) => {
    const count = async (query: string) =>
      (await stack.json(ADMIN, 'GET', `/v1/images?is_public=none&${query}`)).body.images.length
    t.equal(await count(''), 10)
    for (let n = 0; n < 20; n++) await stack.create(P1, { name: `n ${n}` })
    t.equal(await count(''), 25, 'as many as by default')
    t.equal(await count('limit=100000'), 30, 'cut, not refused')
  })
})

t.test('V1-111: lists are compressed for who asks', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  for (let n = 0; n < 10; n++) await stack.create(P1, { name: `image ${n}` })
  const coding = async (accepted: string) => {
    const headers = { 'accept-encoding': accepted }
    return (await stack.call(P1, 'GET', '/v1/images/detail', { headers })).headers[
      'content-encoding'
    ]
  }
  t.equal(await coding('gzip'), 'gzip')
  t.equal(await coding('identity'), undefined)
})
