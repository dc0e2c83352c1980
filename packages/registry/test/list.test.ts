import { randomUUID } from 'node:crypto'
import type { ImageDocument } from '@tank/model'
import t from 'tap'
import {
  create,
  createActive,
  openRegistry,
  type TestCaller,
  type TestRegistry
} from './registry.ts'

const registry = await openRegistry(t)
const { call, query } = registry

interface Listed {
  readonly images: ImageDocument[]
  readonly names: (string | null)[]
  readonly next: string | undefined
}

async function list(
  caller: TestCaller,
  search: string,
  from: TestRegistry = registry
): Promise<Listed> {
  const answer = await from.call(caller, 'GET', search === '' ? '/images' : `/images?${search}`)
  if (answer.status !== 200) throw new Error(`${search}: ${answer.status} ${answer.text}`)
  const images = answer.json as unknown as ImageDocument[]
  const next = answer.headers['tank-next-marker']
  return {
    images,
    names: images.map((image) => image.name),
    next: typeof next === 'string' ? next : undefined
  }
}

/** Follows the markers to the end. */
async function walk(caller: TestCaller, search: string): Promise<(string | null)[]> {
  const names: (string | null)[] = []
  for (let marker = ''; ; ) {
    const page = await list(caller, `${search}${marker}`)
    names.push(...page.names)
    if (page.next === undefined) return names
    marker = `&marker=${page.next}`
  }
}

const refused = async (caller: TestCaller, search: string) => {
  const answer = await call(caller, 'GET', `/images?${search}`)
  return answer.status === 400 && answer.json.code === 'INVALID_QUERY'
}

t.test('VIS1 VIS2 VIS3 POL7 the grid VS7, and what a wider scope adds', async (t) => {
  const grid = await openRegistry(t)
  const admin: TestCaller = { project: 'g0', scope: 'all' }
  const kinds = ['public', 'private', 'shared', 'community']
  for (const owner of ['g0', 'g1', 'g2', null]) {
    for (const visibility of kinds) {
      await create(grid, admin, { owner, visibility, name: `${owner} ${visibility}` })
    }
  }
  const count = async (caller: TestCaller, search: string) =>
    (await list(caller, search, grid)).images.length
  const g1 = { project: 'g1' }
  const adminNobody: TestCaller = { scope: 'all' }
  const auditor: TestCaller = { project: 'g1', sees: 'private,shared' }
  const seesShared: TestCaller = { project: 'g1', sees: 'shared' }
  const expected: [caller: TestCaller, search: string, images: number][] = [
    [g1, '', 7],
    [admin, '', 13],
    [adminNobody, '', 12],
    [{}, '', 4],
    [g1, 'visibility=public', 4],
    [g1, 'visibility=private', 1],
    [g1, 'visibility=shared', 1],
    [g1, 'visibility=community', 4],
    [g1, 'visibility=all', 10],
    [{}, 'visibility=all', 8],
    [{}, 'visibility=community', 4],
    [{}, 'visibility=private', 0],
    [{}, 'visibility=shared', 0],
    [admin, 'visibility=public', 4],
    [admin, 'visibility=private', 4],
    [admin, 'visibility=shared', 4],
    [admin, 'visibility=community', 4],
    [admin, 'visibility=all', 16],
    [adminNobody, 'visibility=all', 16],
    [adminNobody, 'visibility=community', 4],
    [g1, 'owner=g1', 4],
    [g1, 'owner=g2', 1],
    [g1, 'owner=g2&visibility=all', 2],
    [g1, 'owner=g2&visibility=private', 0],
    [admin, 'owner=g1', 3],
    [admin, 'owner=g0', 4],
    [admin, 'owner=g1&visibility=all', 4],
    [admin, 'owner=g1&visibility=community', 1],
    [adminNobody, 'owner=g1', 3],
    [auditor, '', 13],
    [auditor, 'visibility=all', 16],
    [auditor, 'visibility=private', 4],
    [auditor, 'visibility=shared', 4],
    [auditor, 'visibility=community', 4],
    [auditor, 'owner=g1', 4],
    [auditor, 'owner=g2', 3],
    [auditor, 'owner=g2&visibility=all', 4],
    [auditor, 'owner=g2&visibility=private', 1],
    [{ sees: 'private,shared' }, '', 12],
    [{ sees: 'private,shared' }, 'visibility=all', 16],
    [seesShared, '', 10],
    [seesShared, 'visibility=all', 13],
    [seesShared, 'visibility=private', 1],
    [seesShared, 'visibility=shared', 4],
    [seesShared, 'owner=g2', 2]
  ]
  for (const [caller, search, images] of expected) {
    t.equal(await count(caller, search), images, `${JSON.stringify(caller)} ${search}`)
    const sorted = `${search}${search === '' ? '' : '&'}sort=name:asc,size:desc`
    t.equal(await count(caller, sorted), images, `${sorted}, not a named statement`)
  }
  t.match((await list(g1, 'visibility=community', grid)).names, /g2 community/, 'VIS2')
  t.match(await count(g1, 'owner=g1&visibility=shared'), 1)
  const [hidden] = (await list(auditor, 'owner=g2&visibility=private', grid)).images
  const after = `limit=5&marker=${hidden?.id}`
  t.equal((await grid.call(auditor, 'GET', `/images?${after}`)).status, 200)
  t.equal((await grid.call(g1, 'GET', `/images?${after}`)).json.code, 'INVALID_QUERY')
})

t.test('LST17 MEM2 MEM3 member_status', async (t) => {
  const owner = { project: 'mo' }
  const member = { project: 'mm' }
  for (const status of ['pending', 'accepted', 'rejected']) {
    const { id } = await create(registry, owner, { name: status })
    await call(owner, 'POST', `/images/${id}/members`, { member: 'mm' })
    await call(member, 'PUT', `/images/${id}/members/mm`, { status })
  }
  const withdrawn = await create(registry, owner, { name: 'withdrawn' })
  await call(owner, 'POST', `/images/${withdrawn.id}/members`, { member: 'mm' })
  await call(member, 'PUT', `/images/${withdrawn.id}/members/mm`, { status: 'accepted' })
  const patch = { visibility: 'private' }
  await call(owner, 'PATCH', `/images/${withdrawn.id}`, patch, { 'if-match': '"1"' })
  t.strictSame((await list(member, '')).names, ['accepted'])
  t.strictSame((await list(member, 'member_status=pending')).names, ['pending'])
  t.strictSame((await list(member, 'member_status=rejected')).names, ['rejected'])
  t.strictSame((await list(member, 'member_status=all&sort=name:asc')).names, [
    'accepted',
    'pending',
    'rejected'
  ])
  t.strictSame((await list(member, 'visibility=shared')).names, ['accepted'])
  t.strictSame((await list(member, 'visibility=private')).names, [])
  t.strictSame((await list(member, 'visibility=shared&owner=mo')).names, ['accepted'])
  t.ok(await refused(member, 'member_status=bogus'), 'LST17')
})

t.test('LST1-LST14 LST18-LST20 filters', async (t) => {
  const f = { project: 'filters' }
  t.match(await list(f, ''), { images: [], next: undefined }, 'LST1')
  const data = await createActive(registry, f, 100, {
    name: 'data',
    container_format: 'bare',
    disk_format: 'raw',
    min_ram: 256,
    min_disk: 1,
    protected: true
  })
  const b = await create(registry, f, {
    name: 'b,"c"',
    tags: ['x', 'y'],
    visibility: 'private',
    properties: { os_distro: 'debian', 'a&b=c': 'd e', name_min: 'no' }
  })
  await create(registry, f, { name: 'a:b', tags: ['x'], properties: { os_distro: 'arch' } })
  await create(registry, f, { tags: ['Y'], disk_format: 'iso', properties: { __proto___: 'p' } })
  await create(registry, f, { name: '', os_hidden: true })
  t.strictSame(
    (await call(f, 'GET', `/images/${data.id}`)).json,
    (await list(f, 'name=data')).images[0],
    'LST2'
  )
  const expected: [search: string, names: (string | null)[]][] = [
    ['name=data', ['data']],
    ['name=nothing', []],
    ['name=eq:a:b', ['a:b']],
    ['name=2024-01-01T00:00:00Z', []],
    ['name=', []],
    [`name=in:data,${encodeURIComponent('"b,\\"c\\""')},zzz`, ['b,"c"', 'data']],
    ['status=active', ['data']],
    ['status=in:queued,active&name=in:data,a:b', ['a:b', 'data']],
    ['status=bogus', []],
    ['status=deleted', []],
    ['container_format=bare', ['data']],
    ['disk_format=in:raw,iso', [null, 'data']],
    ['size_min=100', ['data']],
    ['size_max=100', ['data']],
    ['size_min=101', []],
    ['size_max=99', []],
    ['size_min=0', ['data']],
    ['size=100', ['data']],
    ['size=abc', []],
    ['virtual_size_min=200&virtual_size_max=200', ['data']],
    ['min_ram=256', ['data']],
    ['min_ram_max=255', [null, 'a:b', 'b,"c"']],
    ['min_disk_min=1', ['data']],
    ['min_disk=0', [null, 'a:b', 'b,"c"']],
    ['size_max=99999999999999999999999999', ['data']],
    ['size_min=99999999999999999999999999', []],
    ['tag=x&tag=y', ['b,"c"']],
    ['tag=%20x%20', ['a:b', 'b,"c"']],
    ['tag=Y', [null]],
    ['tag=z', []],
    ['os_distro=debian', ['b,"c"']],
    ['os_distro=debian&a%26b%3Dc=d+e', ['b,"c"']],
    ['os_distro=Debian', []],
    ['__proto__=x', []],
    ['nothing=', []],
    ['os_hidden=True', ['']],
    ['os_hidden=TRUE&name=', ['']],
    ['os_hidden=false&name=data', ['data']],
    ['protected=true', ['data']],
    ['protected=false', [null, 'a:b', 'b,"c"']],
    ['visibility=private', ['b,"c"']],
    ['visibility=shared', [null, 'a:b', 'data']],
    [`checksum=${'cd'.repeat(16)}`, ['data']],
    [`os_hash_value=${'ab'.repeat(32)}&os_hash_algo=sha256`, ['data']],
    ['os_hash_algo=sha512', []],
    [`id=in:${b.id},${data.id.toUpperCase()},x`, ['b,"c"', 'data']],
    ['id=x', []],
    ['deleted=true&name=data', ['data']],
    ['owner=filters', [null, 'a:b', 'b,"c"', 'data']],
    ['name=nothing&name=data', ['data']]
  ]
  for (const [search, names] of expected) {
    t.strictSame((await list(f, `${search}&sort=name:asc`)).names, names, search)
  }
  for (const bad of [
    'size_min=abc',
    'visibility=bogus',
    'name=%FF',
    'name=%00',
    'changes-since=x'
  ]) {
    t.equal((await call(f, 'GET', `/images?${bad}`)).status, 400, bad)
  }
  const dead = await create(registry, f, { name: 'dead' })
  await call(f, 'DELETE', `/images/${dead.id}`)
  const killed = await create(registry, f, { name: 'killed' })
  await query(`UPDATE images SET status = 'killed' WHERE id = $1`, [killed.id])
  for (const search of ['name=dead', 'name=killed', 'status=killed', `id=${killed.id}`]) {
    t.strictSame((await list(f, search)).names, [], `L18 ${search}`)
  }
})

t.test('LST15 LST16 times', async (t) => {
  const c = { project: 'times' }
  for (const second of [10, 11, 12]) {
    const { id } = await create(registry, c, { name: `s${second}` })
    await query('UPDATE images SET created_at = $2, updated_at = $2 WHERE id = $1', [
      id,
      `2024-05-01T10:00:${second}.25Z`
    ])
  }
  const expected: [search: string, names: string[]][] = [
    ['gt:2024-05-01T10:00:11Z', ['s12']],
    ['gte:2024-05-01T10:00:11Z', ['s11', 's12']],
    ['lt:2024-05-01T10:00:11Z', ['s10']],
    ['lte:2024-05-01T10:00:11Z', ['s10', 's11']],
    ['eq:2024-05-01T10:00:11Z', ['s11']],
    ['neq:2024-05-01T10:00:11Z', ['s10', 's12']],
    ['2024-05-01T10:00:11Z', ['s11']],
    ['2024-05-01T12:00:11%2B02:00', ['s11']],
    ['eq:2024-05-01T10:00:11.25Z', ['s11']],
    ['gt:2024-05-01T10:00:11.2Z', ['s11', 's12']],
    ['lte:2024-05-01T10:00:11.25Z', ['s10', 's11']],
    ['neq:2024-05-01T10:00:11.25Z', ['s10', 's12']],
    ['lt:2024-05-02', ['s10', 's11', 's12']]
  ]
  for (const column of ['created_at', 'updated_at']) {
    for (const [search, names] of expected) {
      const found = await list(c, `${column}=${search}&sort=name:asc`)
      t.strictSame(found.names, names, `${column}=${search}`)
    }
    for (const bad of ['foo', 'xx:2024-05-01T10:00:11Z', 'gt:', '2024-02-30']) {
      t.ok(await refused(c, `${column}=${bad}`), `LST16 ${column}=${bad}`)
    }
  }
})

t.test('PAG1 PAG2 PAG5-PAG10 sorting and paging', async (t) => {
  const p = { project: 'pages' }
  const names = ['a', 'b', 'c', 'd', 'e']
  const images: ImageDocument[] = []
  for (const name of names) images.push(await create(registry, p, { name }))
  t.strictSame((await list(p, '')).names, [...names].reverse(), 'PAG1')
  t.strictSame((await list(p, 'sort_key=name&sort_dir=asc')).names, names, 'PAG2')
  t.strictSame((await list(p, 'sort_dir=asc')).names, names)
  t.strictSame(await walk(p, 'limit=2'), [...names].reverse(), 'PAG5')
  const after = await list(p, `marker=${images[3]?.id}&limit=1`)
  t.strictSame(after.names, ['c'], 'PAG6')
  t.equal(after.next, images[2]?.id)
  t.strictSame(await list(p, 'limit=0'), { images: [], names: [], next: undefined }, 'L1')
  t.equal((await list(p, 'limit=5')).next, images[0]?.id, 'L3: a full last page has a next one')
  t.strictSame(await list(p, `limit=5&marker=${images[0]?.id}`), {
    images: [],
    names: [],
    next: undefined
  })
  t.equal((await list(p, 'limit=5000')).images.length, 5, 'PAG8')
  for (const bad of ['limit=-1', 'limit=abc', 'limit=', 'sort=x', 'sort=name&sort_key=name']) {
    t.ok(await refused(p, bad), `PAG3 PAG8 ${bad}`)
  }
  const stranger = await create(registry, { project: 'else' }, { visibility: 'private' })
  for (const marker of [randomUUID(), 'x', stranger.id]) {
    t.ok(await refused(p, `marker=${marker}`), `PAG7 ${marker}`)
    t.ok(await refused(p, `limit=0&marker=${marker}`))
  }
  const first = await list(p, 'limit=2')
  await call(p, 'DELETE', `/images/${images[1]?.id}`)
  t.strictSame((await list(p, `limit=9&marker=${first.next}`)).names, ['c', 'a'], 'PAG10')
  t.ok(await refused(p, `marker=${images[1]?.id}`), 'PAG10')
})

t.test('PAG9 every order can be walked, nulls and ties included', async (t) => {
  const w = { project: 'walks' }
  const values = [null, '', 'A', 'b', 'É']
  for (let n = 0; n < 40; n++) {
    const image = await create(registry, w, {
      name: values[n % 5],
      disk_format: [null, 'raw', 'iso'][n % 3],
      container_format: [null, 'bare'][n % 2],
      visibility: ['shared', 'private', 'public', 'community'][n % 4],
      properties: { n: String(n) }
    })
    await query(
      `UPDATE images SET size = $2, created_at = date_trunc('second', created_at), updated_at = $3
       WHERE id = $1`,
      [image.id, [null, 0, 5, 7][n % 4], `2024-01-01T00:00:00.00000${n % 3}Z`]
    )
  }
  const keys = ['name', 'status', 'container_format', 'disk_format', 'size', 'id']
  const sorts = [
    ...[...keys, 'created_at', 'updated_at'].flatMap((key) => [`${key}:asc`, `${key}:desc`]),
    'size:asc,name:desc',
    'name:desc,size:asc,id:asc',
    'status:asc,disk_format:desc,updated_at:asc'
  ]
  const number = (image: ImageDocument) => String(image.n)
  for (const sort of sorts) {
    const seen: string[] = []
    const whole = (await list(w, `sort=${sort}&limit=100&owner=walks`)).images.map(number)
    for (let marker = ''; ; ) {
      const page = await list(w, `sort=${sort}&limit=7&owner=walks${marker}`)
      seen.push(...page.images.map(number))
      if (page.next === undefined) break
      marker = `&marker=${page.next}`
    }
    t.strictSame(seen, whole, sort)
    t.equal(new Set(seen).size, 40, sort)
  }
  const sizes = (await list(w, 'sort=size:asc&limit=100&owner=walks')).images.map(
    (i) => i.size ?? 0
  )
  t.strictSame(
    sizes,
    [...sizes].sort((a, b) => a - b),
    'S6 null sizes order like 0'
  )
  const byName = (await list(w, 'sort=name:asc&limit=100&owner=walks')).names.map((n) => n ?? '')
  t.strictSame(byName, [...byName].sort(), 'S6 null names order like the empty string')
})

t.test('the parts of a list are merged in order, and none is shown twice', async (t) => {
  const me = { project: 'merge' }
  const other = { project: 'merge-other' }
  const names: string[] = []
  for (let n = 0; n < 30; n++) {
    const name = `m${String(n).padStart(2, '0')}`
    const owner = n % 2 === 0 ? me : other
    const visibility = ['public', 'shared', 'community', 'private'][n % 4]
    const { id } = await create(registry, owner, { name, visibility, tags: ['merge'] })
    if (owner === other && visibility === 'shared') {
      for (const member of ['merge', 'merge-third']) {
        await call(other, 'POST', `/images/${id}/members`, { member })
        await call({ project: member }, 'PUT', `/images/${id}/members/${member}`, {
          status: 'accepted'
        })
      }
    }
    if (owner === me || visibility === 'public' || visibility === 'shared') names.push(name)
  }
  t.strictSame(await walk(me, 'tag=merge&limit=4&sort=name:asc'), names)
  t.strictSame(await walk(me, 'tag=merge&limit=3'), [...names].reverse())
})
