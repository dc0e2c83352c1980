import { randomUUID } from 'node:crypto'
import t from 'tap'
import { create, createActive, openRegistry, SECRET } from './registry.ts'

const p1 = { project: 'P1', user: 'ann' }
const p2 = { project: 'P2' }
const admin = { project: 'A', scope: 'all' } as const
const registry = await openRegistry(t)
const { app, call } = registry

const newImage = (fields: object = {}) => ({
  id: randomUUID(),
  create_token: randomUUID(),
  ...fields
})

t.test('S-52 callers have to know the secret', async (t) => {
  for (const authorization of [undefined, 'Bearer wrong', `Basic ${SECRET}`, 'Bearer']) {
    const answer = await app.inject({
      url: '/v1/images',
      headers: authorization === undefined ? {} : { authorization }
    })
    t.equal(answer.statusCode, 401, String(authorization))
    t.equal(answer.json().code, 'UNAUTHENTICATED')
    t.match(answer.headers['content-type'], 'application/problem+json')
  }
  for (const url of ['/healthcheck', '/readyz', '/openapi.json']) {
    t.equal((await app.inject(url)).statusCode, 200, url)
  }
  t.equal((await call({}, 'GET', '/nothing')).status, 404)
  t.equal((await call({}, 'PUT', '/images')).status, 405)
})

t.test('caller headers', async (t) => {
  t.equal((await call({ project: 'Zürich 100%' }, 'POST', '/images', newImage())).status, 201)
  const odd = { 'tank-project': '%FF' }
  t.equal((await call({}, 'GET', '/images', undefined, odd)).json.code, 'INVALID_REQUEST')
  const scope = { 'tank-scope': 'everything' }
  t.equal((await call({}, 'GET', '/images', undefined, scope)).json.code, 'INVALID_REQUEST')
  for (const sees of ['public', 'all', 'private;shared', 'private,']) {
    t.equal((await call({ sees }, 'GET', '/images')).json.code, 'INVALID_REQUEST', sees)
  }
})

t.test('CRE1 defaults', async (t) => {
  const body = newImage()
  const answer = await call(p1, 'POST', '/images', body)
  t.equal(answer.status, 201)
  t.equal(answer.headers.etag, '"1"')
  t.equal(answer.headers.location, `/v1/images/${body.id}`)
  const { created_at, updated_at, ...rest } = answer.json
  t.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.equal(created_at, updated_at)
  t.strictSame(rest, {
    id: body.id,
    name: null,
    status: 'queued',
    visibility: 'shared',
    protected: false,
    os_hidden: false,
    owner: 'P1',
    tags: [],
    container_format: null,
    disk_format: null,
    min_disk: 0,
    min_ram: 0,
    size: null,
    virtual_size: null,
    checksum: null,
    os_hash_algo: null,
    os_hash_value: null,
    self: `/v2/images/${body.id}`,
    file: `/v2/images/${body.id}/file`,
    schema: '/v2/schemas/image'
  })
})

t.test('CRE3 CRE17 CRE19 CRE20 what is given comes back', async (t) => {
  const properties = JSON.parse(
    '{"__proto__":"p","constructor":"c","hw:x.y/z":"a\\"b\\\\c\\n","ключ":"🐡","empty":""}'
  )
  const fields = {
    name: 'Bad "name" \\ \u0001 🐡',
    visibility: 'private',
    protected: true,
    os_hidden: true,
    owner: 'other "owner"',
    container_format: 'bare',
    disk_format: 'qcow2',
    min_disk: 2147483647,
    min_ram: 5
  }
  const tags = ['b', 'a', 'b', 'a,b', '"', '{}', '', 'NULL']
  const image = await create(registry, p1, { ...fields, tags, properties })
  t.match(image, fields)
  t.strictSame([...image.tags].sort(), [...new Set(tags)].sort(), 'CRE17')
  for (const key of ['__proto__', 'constructor', 'hw:x.y/z', 'ключ', 'empty']) {
    const value = Object.getOwnPropertyDescriptor(properties, key)?.value
    t.equal(Object.getOwnPropertyDescriptor(image, key)?.value, value, `CRE19 ${key}`)
  }
  const shown = await call(p1, 'GET', `/images/${image.id}`)
  t.equal(shown.status, 404, 'P1 does not own it')
  t.strictSame((await call(admin, 'GET', `/images/${image.id}`)).json, image, 'SHW1')
})

t.test('CRE4 ids are taken for ever, and creation is idempotent', async (t) => {
  const body = newImage({ name: 'one' })
  const first = await call(p1, 'POST', '/images', body)
  const again = await call(p1, 'POST', '/images', body)
  t.equal(again.status, 201)
  t.equal(again.text, first.text)
  const other = await call(p2, 'POST', '/images', { ...body, create_token: randomUUID() })
  t.equal(other.status, 409)
  t.equal(other.json.code, 'IMAGE_EXISTS')
  t.equal((await call(p1, 'DELETE', `/images/${body.id}`)).status, 204)
  t.equal((await call(p1, 'POST', '/images', body)).json.code, 'IMAGE_EXISTS', 'a tombstone')
  const [count] = await registry.query(
    `SELECT count(*)::int AS n FROM changes WHERE image_id = $1 AND type = 'image.create'`,
    [body.id]
  )
  t.equal(count?.n, 1)
})

t.test('an id in upper case is one id, shown as it was given', async (t) => {
  const id = randomUUID().toUpperCase()
  const image = await create(registry, p1, { id })
  t.match(image, { id, self: `/v2/images/${id}`, file: `/v2/images/${id}/file` })
  t.equal((await call(p1, 'GET', `/images/${id.toLowerCase()}`)).json.id, id)
  const other = newImage({ id: id.toLowerCase() })
  t.equal((await call(p1, 'POST', '/images', other)).json.code, 'IMAGE_EXISTS')
})

t.test('S-52 CRE5-CRE8 CRE14 CRE15 input is checked here too', async (t) => {
  const long = (n: number) => '🐡'.repeat(n)
  const bad: object[] = [
    { id: 'not-a-uuid' },
    { container_format: 'wrong' },
    { disk_format: 'wrong' },
    { visibility: 'secret' },
    { properties: { a: 1 } },
    { properties: { 'a\nb': 1 } },
    { properties: { a: null } },
    { properties: [] },
    { properties: { '': 'x' } },
    { properties: { size: '1' } },
    { properties: { direct_url: 'x' } },
    { properties: { [long(256)]: 'x' } },
    { properties: { a: 'x'.repeat(65_536) } },
    { properties: { a: 'NUL \0' } },
    { properties: { 'NUL \0': 'a' } },
    { name: 'half \ud800' },
    { name: long(256) },
    { tags: [long(256)] },
    { tags: 'a' },
    { min_ram: -1 },
    { min_disk: 2147483648 },
    { min_ram: 1.5 },
    { owner: '' },
    { status: 'active' },
    { size: 5 },
    { checksum: 'x' },
    { blob_id: randomUUID() },
    { protected: 'true' }
  ]
  for (const fields of bad) {
    const answer = await call(p1, 'POST', '/images', newImage(fields))
    t.equal(answer.status, 400, JSON.stringify(fields).slice(0, 60))
    t.equal(answer.json.code, 'INVALID_REQUEST')
  }
  const proto = await app.inject({
    method: 'POST',
    url: '/v1/images',
    headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
    payload: `{"id":"${randomUUID()}","create_token":"t","__proto__":{"owner":"x"}}`
  })
  t.equal(proto.statusCode, 400, '__proto__ is a name of properties only')
  const fits = {
    name: long(255),
    tags: [long(255)],
    properties: { [long(255)]: 'x'.repeat(65_535) }
  }
  t.equal((await call(p1, 'POST', '/images', newImage(fits))).status, 201, 'code points count')
})

t.test('SHW2 SHW3 VIS6 POL7 who may see an image by its id', async (t) => {
  const member = { project: 'M' }
  const stranger = { project: 'S' }
  const nobody = {}
  const expected: Record<string, readonly [boolean, boolean, boolean, boolean]> = {
    public: [true, true, true, true],
    community: [true, true, true, true],
    shared: [true, true, false, false],
    private: [true, false, false, false]
  }
  for (const [visibility, sees] of Object.entries(expected)) {
    const { id } = await create(registry, p1, { visibility })
    await call(p1, 'POST', `/images/${id}/members`, { member: 'M' })
    for (const [index, caller] of [p1, member, stranger, nobody].entries()) {
      for (const path of ['', '/data', '/members']) {
        const { status } = await call(caller, 'GET', `/images/${id}${path}`)
        t.equal(status, sees[index] ? 200 : 404, `${visibility}${path} ${JSON.stringify(caller)}`)
      }
    }
    t.equal((await call(admin, 'GET', `/images/${id}`)).status, 200)
    await call(member, 'PUT', `/images/${id}/members/M`, { status: 'rejected' })
    const rejected = await call(member, 'GET', `/images/${id}`)
    t.equal(rejected.status, sees[1] ? 200 : 404, 'a rejected member still sees it')
  }
  const sees = (visibility: string) => ({ project: 'S', sees: visibility })
  const hidden = await create(registry, p1, { visibility: 'private' })
  for (const path of ['', '/data', '/members', '/tasks']) {
    const url = `/images/${hidden.id}${path}`
    t.equal((await call(sees('private'), 'GET', url)).status, 200, `a wider scope ${path}`)
    t.equal((await call(sees('shared,private'), 'GET', url)).status, 200)
    t.equal((await call(sees('shared'), 'GET', url)).status, 404, 'of another visibility')
  }
  t.equal((await call(sees('private'), 'GET', '/usage/P1')).status, 403, 'no right but to see')
  const ownerless = await create(registry, admin, { owner: null, visibility: 'private' })
  t.equal((await call(stranger, 'GET', `/images/${ownerless.id}`)).status, 200, 'VIS6')
  for (const id of [randomUUID(), 'plain-name', '%20', "x'--"]) {
    const answer = await call(admin, 'GET', `/images/${id}`)
    t.equal(answer.json.code, 'IMAGE_NOT_FOUND', `SHW2 ${id}`)
  }
})

t.test('PATCH is compare-and-set', async (t) => {
  const { id } = await create(registry, p1, { name: 'a', tags: ['x'], properties: { k: 'v' } })
  const path = `/images/${id}`
  const patch = (body: object, etag: string) => call(p1, 'PATCH', path, body, { 'if-match': etag })
  const first = await patch({ name: 'b', min_ram: 3 }, '"1"')
  t.match(first, { status: 200, headers: { etag: '"2"' } })
  t.match(first.json, { name: 'b', min_ram: 3, tags: ['x'], k: 'v' })
  const stale = await patch({ name: 'c' }, '"1"')
  t.match(stale, { status: 412, json: { code: 'VERSION_CONFLICT' } })
  const cleared = await patch({ name: null, tags: [], properties: { n: '1' } }, '"2"')
  t.match(cleared.json, { name: null, tags: [], n: '1' })
  t.notOk(Object.hasOwn(cleared.json, 'k'), 'properties are given whole')
  t.match(await patch({}, '"3"'), { status: 200, headers: { etag: '"3"' } }, 'nothing to change')
  t.equal((await patch({}, '"2"')).status, 412)
  for (const etag of ['', '*', '3', 'W/"3"', '"x"']) {
    t.equal((await patch({ name: 'd' }, etag)).status, 400, `If-Match ${etag}`)
  }
  t.equal((await call(p1, 'PATCH', path, { name: 'd' })).status, 400, 'no If-Match')
  t.equal((await patch({ size: 1 }, '"3"')).status, 400)
  t.equal((await patch({ properties: { name: 'x' } }, '"3"')).status, 400)
  const foreign = await call(p2, 'PATCH', path, { name: 'd' }, { 'if-match': '"3"' })
  t.equal(foreign.json.code, 'IMAGE_NOT_FOUND')
})

t.test('of 100 concurrent patches none is lost', async (t) => {
  const { id } = await create(registry, p1)
  const path = `/images/${id}`
  const addTag = async (tag: string): Promise<void> => {
    for (;;) {
      const { json, headers } = await call(p1, 'GET', path)
      const tags = [...(json.tags as string[]), tag]
      const match = { 'if-match': String(headers.etag) }
      const { status } = await call(p1, 'PATCH', path, { tags }, match)
      if (status === 200) return
      if (status !== 412) throw new Error(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: 100 }, (_, n) => addTag(`t${n}`)))
  const { json, headers } = await call(p1, 'GET', path)
  t.equal(new Set(json.tags as string[]).size, 100)
  t.equal(headers.etag, '"101"')
})

t.test('DEL1-DEL4 delete', async (t) => {
  const queued = await create(registry, p1)
  t.equal((await call(p2, 'DELETE', `/images/${queued.id}`)).status, 404, 'DEL3 invisible')
  const wrong = await call(p1, 'DELETE', `/images/${queued.id}`, undefined, { 'if-match': '"9"' })
  t.equal(wrong.json.code, 'VERSION_CONFLICT')
  const right = await call(p1, 'DELETE', `/images/${queued.id}`, undefined, { 'if-match': '"1"' })
  t.match(right, { status: 204, text: '' })
  for (const method of ['GET', 'DELETE'] as const) {
    t.equal((await call(admin, method, `/images/${queued.id}`)).status, 404, `DEL1 ${method}`)
  }
  const late = await call(p1, 'PATCH', `/images/${queued.id}`, { name: 'x' }, { 'if-match': '"2"' })
  t.equal(late.status, 404, 'DEL1 PATCH')
  const kept = await create(registry, p1, { protected: true })
  for (const caller of [p1, admin]) {
    const answer = await call(caller, 'DELETE', `/images/${kept.id}`)
    t.match(answer, { status: 403, json: { code: 'IMAGE_PROTECTED' } }, 'DEL2')
  }
  await call(p1, 'PATCH', `/images/${kept.id}`, { protected: false }, { 'if-match': '"1"' })
  t.equal((await call(p1, 'DELETE', `/images/${kept.id}`)).status, 204, 'DEL2')
})

t.test('ACT1 ACT3 ACT4 deactivate and reactivate', async (t) => {
  const queued = await create(registry, p1)
  const refused = await call(p1, 'POST', `/images/${queued.id}/deactivate`)
  t.match(refused, { status: 409, json: { code: 'IMAGE_STATE' } }, 'ACT4')
  const { id } = await createActive(registry, p1, 3)
  const act = (action: string) => call(p1, 'POST', `/images/${id}/${action}`)
  const status = async () => (await call(p1, 'GET', `/images/${id}`)).json.status
  t.equal((await act('deactivate')).status, 204)
  t.equal(await status(), 'deactivated')
  t.equal((await act('deactivate')).status, 204, 'ACT3')
  t.equal((await act('reactivate')).status, 204)
  t.equal(await status(), 'active')
  t.equal((await act('reactivate')).status, 204, 'ACT3')
  t.equal((await call(p2, 'POST', `/images/${id}/deactivate`)).status, 404, 'ACT5')
})

t.test('MEM1-MEM3 MEM8-MEM11 members', async (t) => {
  const { id } = await create(registry, p1)
  const path = `/images/${id}/members`
  const added = await call(p1, 'POST', path, { member: 'M1' })
  t.match(added, {
    status: 200,
    json: { member_id: 'M1', image_id: id, status: 'pending', schema: '/v2/schemas/member' }
  })
  t.match(added.json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.equal((await call(p1, 'POST', path, { member: 'M1' })).json.code, 'MEMBER_EXISTS', 'MEM8')
  await call(p1, 'POST', path, { member: 'a/ü %' })
  const odd = await call(p1, 'GET', `${path}/${encodeURIComponent('a/ü %')}`)
  t.equal(odd.json.member_id, 'a/ü %')
  const over = await call(p1, 'POST', path, { member: 'M3', limit: 2 })
  t.match(over, { status: 413, json: { code: 'LIMIT_EXCEEDED' } }, 'MEM10')
  const { members } = (await call(p1, 'GET', path)).json as { members: { member_id: string }[] }
  t.strictSame(
    members.map((m) => m.member_id),
    ['M1', 'a/ü %'],
    'in the order of their making'
  )
  const accepted = await call({ project: 'M1' }, 'PUT', `${path}/M1`, { status: 'accepted' })
  t.match(accepted, { status: 200, json: { status: 'accepted' } }, 'MEM2')
  t.equal((await call(p1, 'PUT', `${path}/M1`, { status: 'x' })).status, 400, 'MEM4')
  t.equal(
    (await call(p1, 'PUT', `${path}/M9`, { status: 'pending' })).json.code,
    'MEMBER_NOT_FOUND'
  )
  t.equal((await call(p1, 'GET', `${path}/M9`)).json.code, 'MEMBER_NOT_FOUND')
  for (const body of [{}, { member: '' }, ['x'], { member: 'x'.repeat(256) }, { member: 5 }]) {
    t.equal((await call(p1, 'POST', path, body)).status, 400, 'MEM9')
  }
  t.equal((await call(p1, 'DELETE', `${path}/M1`)).status, 204)
  t.equal((await call(p1, 'DELETE', `${path}/M1`)).json.code, 'MEMBER_NOT_FOUND')
  t.equal((await call({ project: 'M1' }, 'GET', `/images/${id}`)).status, 404, 'MEM11')
  t.equal((await call(p1, 'POST', path, { member: 'M1' })).json.status, 'pending', 'M5')
  const hidden = await call(
    p1,
    'PATCH',
    `/images/${id}`,
    { visibility: 'private' },
    {
      'if-match': '"1"'
    }
  )
  t.equal(hidden.status, 200)
  t.equal((await call({ project: 'M1' }, 'GET', `/images/${id}`)).status, 404, 'VS5 M11')
})

t.test('MEM10 the limit of members is exact under concurrency', async (t) => {
  const { id } = await create(registry, p1)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      call(p1, 'POST', `/images/${id}/members`, { member: `m${n}`, limit: 5 })
    )
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 5)
  t.equal(answers.filter(({ status }) => status === 413).length, 15)
})

t.test('an image that changes hands takes its usage with it', async (t) => {
  const { id } = await createActive(registry, { project: 'from' }, 10)
  const { etag } = (await call(admin, 'GET', `/images/${id}`)).headers
  const match = { 'if-match': String(etag) }
  t.equal((await call(admin, 'PATCH', `/images/${id}`, { owner: 'to' }, match)).status, 200)
  const usage = async (project: string) => (await call(admin, 'GET', `/usage/${project}`)).json
  t.match(await usage('from'), { images: 0, stored_bytes: 0 })
  t.match(await usage('to'), { images: 1, stored_bytes: 10 })
  const foreign = await call({ project: 'from' }, 'GET', '/usage/to')
  t.equal(foreign.json.code, 'FORBIDDEN')
})
