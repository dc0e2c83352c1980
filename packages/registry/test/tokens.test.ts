import { createHash, randomUUID } from 'node:crypto'
import type { TokenDocument } from '@tank/model'
import t from 'tap'
import { openRegistry, type TestCaller } from './registry.ts'

const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry

const digestOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

/** A request for a token. */
function wish(name: string, fields: object = {}) {
  return {
    id: randomUUID(),
    name,
    digest: digestOf(name),
    user: 'ann',
    project: 'P1',
    domain: null,
    roles: ['member'],
    expires_at: null,
    ...fields
  }
}

const make = (name: string, fields: object = {}) =>
  call(admin, 'POST', '/tokens', wish(name, fields))

const find = async (secret: string) =>
  (await call(admin, 'POST', '/tokens/find', { digest: digestOf(secret) })).json.token

const revoke = (token: string) => call(admin, 'DELETE', `/tokens/${encodeURIComponent(token)}`)

async function names(search = ''): Promise<string[]> {
  const { json } = await call(admin, 'GET', `/tokens${search}`)
  return (json.tokens as TokenDocument[]).map(({ name }) => name)
}

t.test('S-48 a token is made once, by a digest, and found by it', async (t) => {
  const token = wish('ci', { domain: 'd', roles: ['member', 'service'] })
  const made = await call(admin, 'POST', '/tokens', token)
  t.equal(made.status, 201)
  t.match(made.json, { id: token.id, name: 'ci', user: 'ann', project: 'P1', domain: 'd' })
  t.match(made.json, { state: 'valid', expires_at: null, last_used_at: null, revoked_at: null })
  t.notMatch(made.text, token.digest)
  const again = await call(admin, 'POST', '/tokens', token)
  t.match([again.status, again.json], [201, { id: token.id }], 'the same creation')
  t.strictSame(await find('ci'), {
    id: token.id,
    user: 'ann',
    project: 'P1',
    domain: 'd',
    roles: ['member', 'service'],
    expires_in_ms: null
  })
  t.equal(await find('other'), null)
})

t.test('names and digests are unique, as long as a token is not revoked', async (t) => {
  const first = await make('unique')
  const second = await make('unique', { digest: digestOf('unique 2') })
  t.match([second.status, second.json], [409, { code: 'TOKEN_EXISTS', detail: /"unique" already/ }])
  const same = await make('unique-3', { digest: digestOf('unique') })
  t.match([same.status, same.json], [409, { code: 'TOKEN_EXISTS', detail: /another token/ }])
  t.equal((await revoke('unique')).status, 204)
  t.equal((await make('unique', { digest: digestOf('unique 2') })).status, 201)
  t.equal((await revoke(String(first.json.id))).status, 204, 'the id is that of the old one')
  t.match(await find('unique 2'), { project: 'P1' })
  const many = await Promise.all(
    Array.from({ length: 8 }, (_, n) => make('race', { digest: digestOf(`race ${n}`) }))
  )
  t.equal(many.filter(({ status }) => status === 201).length, 1, 'one of many at once')
})

t.test('S-48 a revoked token is not found, by whatever it was called', async (t) => {
  const { json } = await make('by-id')
  await make('by-name')
  t.equal((await revoke(String(json.id))).status, 204)
  t.equal((await revoke('by-name')).status, 204)
  t.same([await find('by-id'), await find('by-name')], [null, null])
  const revokedAt = async () => {
    const [row] = await query('SELECT revoked_at FROM tokens WHERE id = $1', [json.id])
    return row?.revoked_at
  }
  const first = await revokedAt()
  t.ok(first instanceof Date)
  t.equal((await revoke(String(json.id))).status, 204, 'by the id also again')
  t.same(await revokedAt(), first, 'the first time counts')
  for (const unknown of ['by-name', randomUUID(), 'a/../b']) {
    t.match((await revoke(unknown)).json, { status: 404, code: 'TOKEN_NOT_FOUND' }, unknown)
  }
})

t.test('S-48 a token ends when it expires, by the clock of the database', async (t) => {
  const past = await make('past', { expires_at: '2020-01-01T00:00:00Z' })
  t.match([past.status, past.json], [400, { detail: /expires_at has passed/ }])
  t.equal((await make('never', { expires_at: 'soon' })).status, 400)
  t.equal((await make('never', { expires_at: '2030-02-31T00:00:00Z' })).status, 400)
  const made = await make('past', { expires_at: new Date(Date.now() + 60_000).toISOString() })
  t.equal(made.status, 201, 'what was refused left nothing')
  const found = (await find('past')) as { expires_in_ms: number }
  t.ok(found.expires_in_ms > 0 && found.expires_in_ms <= 60_000, `${found.expires_in_ms} ms`)
  await query(`UPDATE tokens SET expires_at = now() WHERE name = 'past'`)
  t.equal(await find('past'), null)
  const { json } = await call(admin, 'GET', '/tokens')
  const shown = (json.tokens as TokenDocument[]).find(({ name }) => name === 'past')
  t.equal(shown?.state, 'expired')
})

t.test('use is noted once an hour', async (t) => {
  await make('used')
  const used = async () => {
    const [row] = await query(`SELECT last_used_at FROM tokens WHERE name = 'used'`)
    return row?.last_used_at as Date | null
  }
  t.equal(await used(), null)
  await find('used')
  const first = await used()
  t.ok(first instanceof Date)
  await find('used')
  t.same(await used(), first)
  await query(`UPDATE tokens SET last_used_at = now() - interval '61 minutes' WHERE name = 'used'`)
  await find('used')
  t.ok(Number(await used()) >= Number(first), 'an hour later it is noted again')
})

t.test('tokens are listed in pages, revoked ones when asked for', async (t) => {
  await query('DELETE FROM tokens')
  for (const name of ['a', 'b', 'c', 'd', 'e']) await make(name)
  await revoke('c')
  t.same(await names(), ['a', 'b', 'd', 'e'])
  t.same(await names('?revoked=true'), ['a', 'b', 'c', 'd', 'e'])
  const seen: string[] = []
  for (let next: unknown, page = 0; next !== null && page < 9; page++) {
    const marker = next === undefined ? '' : `&marker=${next}`
    const { json } = await call(admin, 'GET', `/tokens?limit=2${marker}`)
    const tokens = json.tokens as TokenDocument[]
    seen.push(...tokens.map(({ name }) => name), '|')
    next = json.next
  }
  t.same(seen, ['a', 'b', '|', 'd', 'e', '|'], 'the last page says that it is the last')
  for (const wrong of ['limit=0', 'limit=x', `marker=${randomUUID()}`, 'marker=1', 'revoked=1']) {
    t.equal((await call(admin, 'GET', `/tokens?${wrong}`)).status, 400, wrong)
  }
})

t.test('S-52 what a token says is checked, and only administrators ask', async (t) => {
  const wrong: object[] = [
    { name: '' },
    { name: randomUUID() },
    { name: '-x' },
    { name: 'a b' },
    { name: 'x'.repeat(65) },
    { digest: 'tank_secret' },
    { digest: digestOf('x').toUpperCase() },
    { roles: [] },
    { roles: ['a,b'] },
    { roles: ['a b'] },
    { project: '' },
    { project: 'line\nbreak' },
    { user: 'x'.repeat(256) },
    { secret: 'tank_secret' },
    { id: 'x' }
  ]
  for (const fields of wrong) {
    const { status, json } = await make('wrong', fields)
    t.match([status, json], [400, { code: 'INVALID_REQUEST' }], JSON.stringify(fields))
  }
  const project: TestCaller = { project: 'P1', user: 'ann', scope: 'project' }
  const refused = [
    await call(project, 'POST', '/tokens', wish('mine')),
    await call(project, 'GET', '/tokens'),
    await call(project, 'POST', '/tokens/find', { digest: digestOf('a') }),
    await call(project, 'DELETE', '/tokens/a')
  ]
  for (const { status } of refused) t.equal(status, 403)
  t.same(await names(), ['a', 'b', 'd', 'e'])
})
