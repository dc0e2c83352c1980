import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ADMIN, type Doc, openStack, P1, P2, type Stack, type Who } from '../../src/stack.ts'

async function names(stack: Stack, query: string, who: Who = P1): Promise<string[]> {
  const { status, body } = await stack.json(who, 'GET', `/v2/images?limit=1000&${query}`)
  if (status !== 200) throw new Error(`${query}: ${status} ${JSON.stringify(body)}`)
  return body.images.map((image: { name: string }) => image.name)
}

async function status(stack: Stack, query: string): Promise<number> {
  return (await stack.call(P1, 'GET', `/v2/images?${query}`)).status
}

t.test('LST1: an empty project', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  t.same((await stack.json(P1, 'GET', '/v2/images')).body, {
    images: [],
    first: '/v2/images',
    schema: '/v2/schemas/images'
  })
})

t.test('filters', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const alpha = await stack.create(P1, {
    name: 'alpha',
    tags: ['a', 'b'],
    os_distro: 'debian',
    min_ram: 256,
    min_disk: 1,
    protected: true
  })
  await stack.upload(P1, alpha.id, 'x'.repeat(100))
  const beta = await stack.create(P1, {
    name: 'beta',
    tags: ['a'],
    disk_format: 'qcow2',
    os_distro: 'Debian',
    visibility: 'private'
  })
  await sleep(20)
  const gamma = await stack.create(P1, { name: 'gamma', container_format: 'ovf', os_hidden: true })
  await stack.create(ADMIN, { name: 'public', visibility: 'public' })
  await stack.create(P1, { name: 'com', visibility: 'community' })
  await stack.create(P2, { name: 'foreign', visibility: 'private' })
  const is = async (t: Test, query: string, expected: string[], who?: Who) =>
    t.same((await names(stack, query, who)).sort(), expected, query)

  await t.test('LST2: rows carry the same keys as show', async (t) => {
    const { body } = await stack.json(P1, 'GET', '/v2/images?name=alpha')
    t.same(body.images, [(await stack.json(P1, 'GET', `/v2/images/${alpha.id}`)).body])
  })

  await t.test('LST3: name', async (t) => {
    await is(t, 'name=alpha', ['alpha'])
    await is(t, 'name=nothing', [])
    t.equal(await status(stack, 'name=a:b'), 400, 'L5: an unknown operator')
    await stack.create(P1, { name: 'a:b' })
    await is(t, 'name=eq:a:b', ['a:b'])
  })

  await t.test('LST4: status and formats', async (t) => {
    await is(t, 'status=active', ['alpha'])
    await is(t, 'status=bogus', [])
    await is(t, 'container_format=bare&name=in:alpha,beta', ['alpha', 'beta'])
    await is(t, 'disk_format=qcow2', ['beta'])
  })

  await t.test('LST5, LST6: visibility', async (t) => {
    await is(t, 'visibility=public', ['public'])
    await is(t, 'visibility=private', ['beta'])
    await is(t, 'visibility=shared&name=in:alpha,beta,com', ['alpha'])
    await is(t, 'visibility=community', ['com'])
    t.equal(await status(stack, 'visibility=bogus'), 400, 'LST6')
  })

  await t.test('LST7: bounds are inclusive', async (t) => {
    await is(t, 'size_min=100&size_max=100', ['alpha'])
    await is(t, 'size_min=101', [])
    await is(t, 'size_max=99', [])
    for (const query of ['size_min=abc', 'size_max=', 'min_ram_min=1.5', 'name_min=5'])
      t.equal(await status(stack, query), 400, query)
  })

  await t.test('LST8: tags', async (t) => {
    await is(t, 'tag=a', ['alpha', 'beta'])
    await is(t, 'tag=a&tag=b', ['alpha'])
    await is(t, 'tag=A', [])
    await is(t, 'tag=a&tag=zzz', [])
  })

  await t.test('LST9: custom properties', async (t) => {
    await is(t, 'os_distro=debian', ['alpha'])
    await is(t, 'os_distro=deb', [])
    await is(t, 'no_such_property=x', [])
  })

  await t.test('LST10: owner', async (t) => {
    await is(t, 'owner=P2', ['foreign'], ADMIN)
    await is(t, 'owner=P2', [])
  })

  await t.test('LST11: hidden images', async (t) => {
    await is(t, 'os_hidden=true', ['gamma'])
    await is(t, 'os_hidden=True', ['gamma'])
    t.notOk((await names(stack, '')).includes('gamma'))
    t.equal((await stack.json(P1, 'GET', `/v2/images/${gamma.id}`)).status, 200, 'VS3')
    t.equal(await status(stack, 'os_hidden=yes'), 400)
  })

  await t.test('LST12: protected', async (t) => {
    await is(t, 'protected=true', ['alpha'])
    t.notOk((await names(stack, 'protected=false')).includes('alpha'))
    t.equal(await status(stack, 'protected=True'), 400, 'L12')
  })

  await t.test('LST13, LST14: in: lists, all filters together', async (t) => {
    await is(t, `id=in:${alpha.id},${beta.id}`, ['alpha', 'beta'])
    await is(t, 'name=in:alpha,beta,nothing', ['alpha', 'beta'])
    await is(t, 'status=in:queued,active&name=in:alpha,beta', ['alpha', 'beta'])
    await is(t, 'status=in:queued&name=in:alpha,beta', ['beta'])
    await stack.create(P1, { name: 'c,"d' })
    await is(t, `name=in:alpha,${encodeURIComponent('"c,\\"d"')}`, ['alpha', 'c,"d'])
    for (const query of ['name=in:"a', 'name=in:a"b"', 'name=in:"a"b'])
      t.equal(await status(stack, encodeURI(query)), 400, `L6 ${query}`)
  })

  await t.test('LST15, LST16: times', async (t) => {
    const at = String(alpha.created_at)
    await is(t, `created_at=gte:${at}&name=in:alpha,beta`, ['alpha', 'beta'])
    await is(t, `created_at=lt:${at}&name=in:alpha,beta`, [])
    await is(t, 'created_at=gt:2001-01-01T00:00:00Z&name=alpha', ['alpha'])
    await is(t, 'created_at=lte:2001-01-01T00:00:00Z', [])
    await is(t, 'updated_at=neq:2001-01-01T00:00:00Z&name=alpha', ['alpha'])
    await is(t, 'created_at=eq:2001-01-01T00:00:00Z', [])
    await is(t, 'created_at=2001-01-01T00:00:00Z', [])
    await is(t, `created_at=${encodeURIComponent('gt:2001-01-01T02:00:00+02:00')}&name=alpha`, [
      'alpha'
    ])
    for (const query of ['created_at=foo', `created_at=xx:${at}`, 'changes-since=2001-01-01'])
      t.equal(await status(stack, query), 400, query)
  })

  await t.test('LST18, LST19: digests and minimums', async (t) => {
    const { body } = await stack.json(P1, 'GET', `/v2/images/${alpha.id}`)
    await is(t, `checksum=${body.checksum}`, ['alpha'])
    await is(t, `os_hash_value=${body.os_hash_value}`, ['alpha'])
    await is(t, 'min_ram=256', ['alpha'])
    await is(t, 'min_disk_min=1', ['alpha'])
    await is(t, 'size=100', ['alpha'])
  })

  await t.test('LST20, S-39: what is no UTF-8 is 400', async (t) => {
    t.equal(await status(stack, 'name=%FF'), 400)
    t.equal(await status(stack, 'name=%'), 400)
    t.equal((await stack.call(P1, 'GET', '/v2/images/%FF')).status, 400, 'G4')
  })

  await t.test('S-45: hostile filters are values, never SQL', async (t) => {
    for (const text of ["' OR 1=1 --", '"; DROP TABLE images; --', '\\', '%27', '$1', '{}', '*']) {
      const value = encodeURIComponent(text)
      await is(t, `name=${encodeURIComponent(`eq:${text}`)}`, [])
      await is(t, `${encodeURIComponent(text)}=x`, [])
      await is(t, `tag=${value}`, [])
      t.equal(await status(stack, `sort_key=${value}`), 400)
      t.equal(await status(stack, `marker=${value}`), 400)
    }
    t.ok((await names(stack, '')).includes('alpha'), 'the table is still there')
  })
})

t.test('sorting and paging', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const images: Doc[] = []
  for (const [i, name] of ['d', 'b', 'a', 'c', 'b'].entries())
    images.push(await stack.create(P1, { name, min_ram: i }))
  const ids = images.map((image) => image.id)
  const page = async (query: string) => (await stack.json(P1, 'GET', `/v2/images?${query}`)).body
  const walk = async (query: string): Promise<string[]> => {
    const seen: string[] = []
    for (let path: string | undefined = `/v2/images?${query}`; path !== undefined; ) {
      const { body } = await stack.json(P1, 'GET', path)
      seen.push(...body.images.map((image: Doc) => image.id))
      path = body.next
      if (seen.length > 50) throw new Error('no end')
    }
    return seen
  }

  await t.test('PAG1, S5: newest first', async (t) => {
    t.same(await walk(''), [...ids].reverse())
  })

  await t.test('PAG2: both styles of sorting', async (t) => {
    t.same(await names(stack, 'sort_key=name&sort_dir=asc'), ['a', 'b', 'b', 'c', 'd'])
    t.same(await names(stack, 'sort_key=name'), ['d', 'c', 'b', 'b', 'a'], 'S3: desc')
    const mixed = await page('sort=name:asc,min_ram:desc').catch(() => null)
    t.equal(mixed?.error?.code, 400, 'S1: min_ram is no key')
    const rows = (await page('sort=name:asc,created_at:desc')).images
    t.same(
      rows.map((row: Doc) => row.id),
      [ids[2], ids[4], ids[1], ids[3], ids[0]]
    )
  })

  await t.test('PAG3, PAG4, S4: orders that make no sense are 400', async (t) => {
    for (const query of [
      'sort_key=bogus',
      'sort_dir=up',
      'sort=name:up',
      'sort=bogus',
      'sort=',
      'sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc',
      'sort=name&sort_key=name'
    ]) {
      t.equal(await status(stack, query), 400, query)
    }
  })

  await t.test('PAG5, S6: pages neither skip nor repeat, in any order', async (t) => {
    for (const order of [
      '',
      'sort=name:asc',
      'sort=name:desc,size:asc',
      'sort_key=status&sort_dir=asc',
      'sort_key=id&sort_dir=asc',
      'sort=disk_format:asc,name:desc,id:asc'
    ]) {
      for (const limit of [1, 2, 5]) {
        const whole = (await page(`limit=100&${order}`)).images.map((image: Doc) => image.id)
        t.same(await walk(`limit=${limit}&${order}`), whole, `${order} by ${limit}`)
        t.equal(whole.length, 5)
      }
    }
  })

  await t.test('PAG6, L4: markers and links', async (t) => {
    const after = await page(`marker=${ids[3]}&limit=1`)
    t.equal(after.images[0].id, ids[2])
    const odd = await stack.json(P1, 'GET', `/v2.3/images?limit=2&sort=name:asc&x=%C3%BC`)
    t.equal(odd.body.first, '/v2/images?limit=2&sort=name:asc&x=%C3%BC')
    const next = await page('limit=2&tag=&sort_key=name&sort_key=id&sort_dir=asc').catch(() => null)
    t.ok(next)
    const { next: link } = await page('limit=2&sort_key=name&sort_key=id&sort_dir=asc')
    t.match(link, /^\/v2\/images\?limit=2&sort_key=name&sort_key=id&sort_dir=asc&marker=/)
  })

  await t.test('PAG7, PAG8: limits and markers that are no good', async (t) => {
    for (const query of [
      'limit=-1',
      'limit=abc',
      'limit=',
      'limit=1.5',
      `marker=${randomUUID()}`,
      'marker=x'
    ])
      t.equal(await status(stack, query), 400, query)
    const none = await page('limit=0')
    t.same(none.images, [])
    t.notOk(none.next, 'L1')
    t.equal((await page('limit=5000')).images.length, 5)
    const foreign = await stack.create(P2, { visibility: 'private' })
    t.equal(await status(stack, `marker=${foreign.id}`), 400, 'L2')
  })

  await t.test('PAG9: equal seconds and no sizes', async (t) => {
    t.same((await walk('sort_key=size&limit=2')).sort(), [...ids].sort())
  })

  await t.test('PAG10: deletions between pages', async (t) => {
    const first = await page('limit=2')
    await stack.call(P1, 'DELETE', `/v2/images/${ids[2]}`)
    const rest = (await stack.json(P1, 'GET', first.next)).body.images.map((image: Doc) => image.id)
    t.same(rest, [ids[1], ids[0]])
    t.equal(await status(stack, `marker=${ids[2]}`), 400)
  })

  await t.test('L1: 25 a page unless asked for more', async (t) => {
    for (let i = 0; i < 30; i++) await stack.create(P1, { name: `n${i}` })
    const { images, next } = await page('')
    t.equal(images.length, 25)
    t.ok(next)
  })
})
