import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { gate, show } from '../../src/imports.ts'
import { ADMIN, openStack, P1, P2, READER, type Stack, type Who } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const BASE = 'http://outside.test'
const V2 = 'v2.1'
const SHOWN = { showMultiple: true, showDirectUrl: true }

async function open(root: string, api: Record<string, unknown> = {}) {
  const web = new FakeStore()
  const stack = await openStack({
    api: {
      stores: { main: { use: 'fs', root, weight: 9 }, web: { use: 'web', weight: 5 } },
      defaultStore: 'main',
      locations: SHOWN,
      transfers: { storeSeconds: 0.5 },
      ...api
    },
    plugins: { web: web.plugin('web') }
  })
  const publish = (path: string, bytes: Buffer) => {
    web.bytes.set(`${BASE}${path}`, bytes)
    return `${BASE}${path}`
  }
  return { stack, web, publish }
}

const add = (stack: Stack, id: string, value: unknown, who: Who = P1, dialect = V2) => {
  const operation =
    dialect === 'v2.0' ? { add: '/locations/-', value } : { op: 'add', path: '/locations/-', value }
  return stack.patch(who, id, [operation], dialect)
}
const replace = (stack: Stack, id: string, value: unknown, who: Who = P1) =>
  stack.patch(who, id, [{ op: 'replace', path: '/locations', value }])
const remove = (stack: Stack, id: string, at: unknown, who: Who = ADMIN) =>
  stack.patch(who, id, [{ op: 'remove', path: `/locations/${at}` }])

const digest = (bytes: Buffer, algorithm = 'sha256') =>
  createHash(algorithm).update(bytes).digest('hex')
const at = (url: string, metadata: object = {}) => ({ url, metadata })
const web = (url: string, metadata: object = {}) => at(url, { ...metadata, store: 'web' })

t.test('locations by PATCH', async (t) => {
  const { stack, web: outside, publish } = await open(t.testdir())
  t.teardown(() => stack.close())
  const bytes = randomBytes(100_000)
  const one = publish('/one', bytes)
  const two = publish('/two', bytes)

  await t.test('LOC2, PL9: the first location makes a queued image active', async (t) => {
    for (const dialect of [V2, 'v2.0']) {
      const made = await stack.create(P1)
      t.same(made.locations, [])
      t.notOk('direct_url' in made)
      const answer = await add(stack, made.id, at(one, { zone: 'a' }), P1, dialect)
      t.equal(answer.status, 200)
      t.match(answer.body, {
        status: 'active',
        size: bytes.length,
        checksum: null,
        os_hash_algo: null,
        os_hash_value: null,
        virtual_size: null,
        stores: 'web',
        direct_url: one
      })
      t.same(answer.body.locations, [web(one, { zone: 'a' })])
      const file = await stack.call(P1, 'GET', `/v2/images/${made.id}/file`)
      t.ok(file.body.equals(bytes))
    }
  })

  await t.test('a list shows them, too', async (t) => {
    const { id } = await stack.create(P1, { name: 'listed' })
    await stack.create(P1, { name: 'listed' })
    await add(stack, id, at(one))
    const { images } = (await stack.json(P1, 'GET', '/v2/images?name=listed')).body
    t.same(images.map((image: { locations: unknown[] }) => image.locations.length).sort(), [0, 1])
  })

  await t.test('LOC3, PL5, S-07: what is no location', async (t) => {
    const { id } = await stack.create(P1)
    const urls = [
      'file:///etc/passwd',
      'FILE:///etc/passwd',
      'filesystem:///etc/passwd',
      'swift+config://a/b/c',
      'gopher://outside.test/',
      'no url',
      '',
      5,
      'http://ann:secret@outside.test/one',
      'http://elsewhere.test/one',
      `${BASE}/missing`,
      `${one}?`.padEnd(256, 'x')
    ]
    const values = [
      ...urls.map((url) => ({ url, metadata: {} })),
      one,
      null,
      { url: one },
      { metadata: {} },
      { url: one, metadata: [] },
      { url: one, metadata: { text: 'a\0b' } },
      { url: one, metadata: { text: 'x'.repeat(5000) } },
      { url: one, metadata: {}, more: 1 }
    ]
    for (const who of [P1, ADMIN, { ...P1, serviceRoles: 'service' }]) {
      for (const value of values) {
        t.equal((await add(stack, id, value, who)).status, 400, JSON.stringify(value))
      }
    }
    for (const path of ['/locations/x', '/locations/1', '/locations/-1', '/locations/0/1']) {
      const { status } = await stack.patch(P1, id, [{ op: 'add', path, value: at(one) }])
      t.equal(status, 400, path)
    }
    const bare = await stack.patch(P1, id, [{ op: 'add', path: '/locations', value: [at(one)] }])
    t.equal(bare.status, 400, 'P3')
    const empty = publish('/empty', Buffer.alloc(0))
    t.equal((await add(stack, id, at(empty))).status, 400, 'size 0')
    outside.faults = { hidesSize: true }
    t.equal((await add(stack, id, at(one))).status, 400, 'size unknown')
    outside.faults = {}
    t.match(await show(stack, id), { status: 'queued', size: null, locations: [] })
    t.equal((await add(stack, id, at(one))).status, 200)
    t.equal((await add(stack, id, at(one))).status, 400, 'duplicate')
    t.equal((await add(stack, id, at(one, { other: 1 }))).status, 200, 'other metadata')
    const unset = await stack.create(P1, { disk_format: null })
    t.equal((await add(stack, unset.id, at(one))).status, 400, 'formats unset')
  })

  await t.test('S-17: what cannot be read looks alike', async (t) => {
    const { id } = await stack.create(P1)
    const answers = []
    for (const [url, faults] of [
      [`${BASE}/missing`, {}],
      ['http://127.0.0.1/filtered', {}],
      [one, { fails: 'UNAVAILABLE' as const }],
      [one, { hangs: true }]
    ] as const) {
      outside.faults = faults
      const { status, body } = await add(stack, id, at(url))
      answers.push(`${status} ${String(body)}`)
      outside.faults = {}
    }
    t.equal(new Set(answers).size, 1, answers.join(' | '))
  })

  await t.test('LOC4, PL1, PL3: what cannot be taken away', async (t) => {
    const { id } = await stack.create(P1)
    t.equal((await remove(stack, id, 0)).status, 409, 'queued')
    await add(stack, id, at(one))
    t.equal((await replace(stack, id, [])).status, 403)
    t.equal((await remove(stack, id, 0)).status, 403, 'the last one')
    await add(stack, id, at(two))
    t.equal((await remove(stack, id, 9)).status, 400)
    t.equal((await remove(stack, id, '-')).status, 400)
    t.equal((await remove(stack, id, 'x')).status, 400)
    t.equal((await remove(stack, id, 0, P1)).status, 403, 'PL10 for administrators')
    const answer = await remove(stack, id, 0)
    t.equal(answer.status, 200)
    t.same(answer.body.locations, [web(two)])
    t.equal(outside.deletes, 0)
  })

  await t.test('LOC5, PL7, PL8: validation data', async (t) => {
    const hash = { os_hash_algo: 'sha256', os_hash_value: digest(bytes) }
    const value = { ...hash, checksum: digest(bytes, 'md5') }
    const said = (url: string, validation_data: unknown) => ({ ...at(url), validation_data })
    const { id } = await stack.create(P1)
    for (const bad of [
      { os_hash_algo: 'sha256' },
      { os_hash_value: hash.os_hash_value },
      { checksum: value.checksum },
      { ...hash, more: 1 },
      { ...hash, checksum: 'ab' },
      {},
      'x',
      null
    ]) {
      t.equal((await add(stack, id, said(one, bad))).status, 400, JSON.stringify(bad))
    }
    for (const bad of [
      { os_hash_algo: 'sha512', os_hash_value: 'ab'.repeat(64) },
      { os_hash_algo: 'crc32', os_hash_value: 'ab' },
      { ...hash, os_hash_value: 'ab' },
      { ...hash, os_hash_value: 'zz'.repeat(32) },
      { ...hash, checksum: 'z'.repeat(32) }
    ]) {
      t.equal((await add(stack, id, said(one, bad))).status, 409, JSON.stringify(bad))
    }
    const loud = { ...value, os_hash_value: value.os_hash_value.toUpperCase() }
    const answer = await add(stack, id, said(one, loud))
    t.equal(answer.status, 200)
    t.match(answer.body, { status: 'active', ...value })
    t.same(answer.body.locations, [web(one)], 'it is not shown')
    const other = { ...hash, os_hash_value: 'ab'.repeat(32) }
    t.equal((await add(stack, id, said(two, other))).status, 409)
    t.equal((await add(stack, id, said(two, value))).status, 200)
  })

  await t.test('LOC6, PL4: a list is replaced by the same locations only', async (t) => {
    const { id } = await stack.create(P1)
    const both = [at(one, { n: 1 }), at(two)]
    const set = await replace(stack, id, both)
    t.equal(set.status, 200, 'from none it sets the list')
    t.same(set.body.locations, [web(one, { n: 1 }), web(two)])
    const answer = await replace(stack, id, [at(two, { n: 2 }), at(one)])
    t.equal(answer.status, 200)
    t.same(answer.body.locations, [web(one), web(two, { n: 2 })])
    for (const others of [[at(one)], [at(one), at(`${BASE}/x`)], [at(one), at(two), at(one)]]) {
      t.equal((await replace(stack, id, others)).status, 400)
    }
    t.same((await show(stack, id)).locations, answer.body.locations)
  })

  await t.test('LOC7, PL2, PL6: too many; in other statuses', async (t) => {
    const { id } = await stack.create(P1)
    for (let n = 1; n <= 10; n++) {
      t.equal((await add(stack, id, at(one, { n }))).status, 200)
    }
    t.equal((await add(stack, id, at(one, { n: 11 }))).status, 413)
    const { id: saving } = await stack.create(P1)
    const { opened, open: release } = gate()
    const body = Readable.from(
      (async function* () {
        yield Buffer.from('data')
        await opened
      })()
    )
    const headers = { 'content-type': 'application/octet-stream' }
    const upload = stack.call(P1, 'PUT', `/v2/images/${saving}/file`, { headers, body })
    await until('the upload has begun', 5000, async () =>
      (await show(stack, saving)).status === 'saving' ? true : undefined
    )
    t.equal((await add(stack, saving, at(one))).status, 409)
    release()
    t.equal((await upload).status, 204)
    await stack.json(P1, 'POST', `/v2/images/${id}/actions/deactivate`)
    t.equal((await replace(stack, id, [at(one)])).status, 409)
  })

  await t.test('S-13: known data under an id stays what it is', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, bytes)
    const same = await add(stack, id, at(one))
    t.equal(same.status, 200)
    t.match(same.body.locations[0].url, /^file:/)
    t.equal(same.body.direct_url, same.body.locations[0].url, 'the heaviest store')
    t.equal(same.body.stores, 'main,web')
    const others = publish('/others', randomBytes(bytes.length))
    t.equal((await add(stack, id, at(others))).status, 400, 'other bytes')
    const longer = publish('/longer', Buffer.concat([bytes, bytes]))
    t.equal((await add(stack, id, at(longer))).status, 400, 'another size')
    const left = await remove(stack, id, 0)
    t.same(left.body.locations, [web(one)])
    t.equal(left.body.os_hash_value, digest(bytes))
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.ok(file.body.equals(bytes))
    t.equal((await stack.upload(P1, id, 'x')).status, 409)
    t.equal((await show(stack, id)).os_hash_value, digest(bytes))
  })

  await t.test('P16: with other changes, all or none', async (t) => {
    const { id } = await stack.create(P1)
    const name = (value: string) => ({ op: 'replace', path: '/name', value })
    const path = '/locations/-'
    const bad = [name('new'), { op: 'add', path, value: at(`${BASE}/missing`) }]
    t.equal((await stack.patch(P1, id, bad)).status, 400)
    t.equal((await show(stack, id)).name, 'image')
    const good = [name('new'), { op: 'add', path, value: at(one) }]
    t.match((await stack.patch(P1, id, good)).body, { name: 'new', status: 'active' })
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => add(stack, id, at(two, { n }))))
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
    t.equal((await show(stack, id)).locations.length, 7)
  })

  await t.test('PL10, PL11: who sees and sets them', async (t) => {
    const { id } = await stack.create(P1, { visibility: 'community' })
    t.equal((await add(stack, id, at(one), P2)).status, 403)
    t.equal((await add(stack, id, at(one), READER)).status, 403)
    await add(stack, id, at(one))
    const seen = async (who: Who) => (await stack.json(who, 'GET', `/v2/images/${id}`)).body
    t.match(await seen(READER), { locations: [{ url: one }], direct_url: one })
    const stranger = await seen(P2)
    t.same(stranger.locations, [])
    t.notOk('direct_url' in stranger)
    await stack.json(P1, 'POST', `/v2/images/${id}/actions/deactivate`)
    const owner = await seen(P1)
    t.same(owner.locations, [])
    t.notOk('direct_url' in owner)
    t.match(await seen(ADMIN), { locations: [{ url: one }], direct_url: one })
    const secret = await stack.create(P1, { visibility: 'private' })
    t.equal((await add(stack, secret.id, at(one), P2)).status, 404)
  })

  await t.test('an image with outside locations goes, and they stay', async (t) => {
    const { id } = await stack.create(P1)
    await replace(stack, id, [at(one), at(two)])
    t.equal((await stack.json(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    t.equal(outside.deletes, 0)
    t.ok(outside.bytes.has(one))
  })
})

t.test('LOC1: what the settings do not show nobody sees or sets', async (t) => {
  for (const locations of [{}, { showDirectUrl: true }, { showMultiple: true }]) {
    const { stack, publish } = await open(t.testdir(), { locations })
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, 'data')
    const url = publish('/one', Buffer.from('data'))
    const isSet = 'showMultiple' in locations
    t.equal((await add(stack, id, at(url))).status, isSet ? 200 : 403)
    const image = await show(stack, id)
    t.equal('locations' in image, isSet)
    t.equal('direct_url' in image, 'showDirectUrl' in locations)
    await stack.close()
  }
})
