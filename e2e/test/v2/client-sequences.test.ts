import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { qcow2 } from '../../src/disk-images.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, identityHeaders, openStack, P1, P2, type Stack, type Who } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const MOVES = { pollSeconds: 0.1 }
const PATCH = 'application/openstack-images-v2.1-json-patch'
const digest = (bytes: Buffer, algorithm: string) =>
  createHash(algorithm).update(bytes).digest('hex')

async function open(api: Record<string, unknown> = {}) {
  const [main, second, web] = [new FakeStore(), new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: { main: { use: 'a', weight: 10 }, second: { use: 'b' }, web: { use: 'web' } },
      defaultStore: 'main',
      jobs: MOVES,
      imports: { methods: ['glance-direct', 'web-download', 'copy-image'] },
      ...api
    },
    plugins: { a: main.plugin(), b: second.plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())
  return { stack, main, second, web }
}

/** Requests with the headers of one client. */
function client(stack: Stack, who: Who, agent: string) {
  const base = { ...identityHeaders(who), 'user-agent': agent, accept: 'application/json' }
  return async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const isJson = body !== undefined && !(body instanceof Readable)
    const answer = await stack.call(null, method, path, {
      headers: { ...base, ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body })
    })
    const text = answer.body.toString()
    return { ...answer, json: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
}

const OCTETS = 'application/octet-stream'
const chunked = (bytes: Buffer) => Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)])

t.test('CLI6 gophercloud: the requests of its acceptance tests', async (t) => {
  const { stack, web } = await open()
  const bytes = qcow2()
  web.bytes.set('http://outside.test/disk', bytes)
  const call = client(stack, P1, 'gophercloud/v2.9.0')
  const other = client(stack, P2, 'gophercloud/v2.9.0')

  const made = await call('POST', '/v2/images', {
    name: 'ACPTTEST',
    container_format: 'bare',
    disk_format: 'qcow2',
    min_disk: 0,
    min_ram: 0,
    visibility: 'shared',
    tags: ['foo', 'bar'],
    architecture: 'x86_64'
  })
  t.equal(made.status, 201)
  const { id } = made.json
  const path = `/v2/images/${id}`
  for (const time of [made.json.created_at, made.json.updated_at]) {
    t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'RFC 3339')
  }

  const changed = await call(
    'PATCH',
    path,
    [
      { op: 'replace', path: '/name', value: 'ACPTTESTnew' },
      { op: 'replace', path: '/tags', value: ['foo', 'fizz'] },
      { op: 'replace', path: '/min_disk', value: 21 },
      { op: 'add', path: '/hw_disk_bus', value: 'scsi' },
      { op: 'remove', path: '/architecture' }
    ],
    PATCH
  )
  t.equal(changed.status, 200)
  t.match(changed.json, { name: 'ACPTTESTnew', min_disk: 21, hw_disk_bus: 'scsi' })
  t.notOk('architecture' in changed.json)

  await t.test('pages', async (t) => {
    for (const name of ['one', 'two', 'three']) await stack.create(P1, { name })
    const seen: string[] = []
    let next: string | undefined = '/v2/images?limit=1'
    while (next !== undefined) {
      const page: Awaited<ReturnType<typeof call>> = await call('GET', next)
      for (const image of page.json.images) seen.push(image.name)
      next = page.json.images.length === 0 ? undefined : page.json.next
    }
    t.same(seen.sort(), ['ACPTTESTnew', 'one', 'three', 'two'])
    const dated = await call('GET', '/v2/images?created_at=gt%3A2000-01-01T00%3A00%3A00Z&limit=3')
    t.equal(dated.json.images.length, 3)
  })

  await t.test('members', async (t) => {
    const shared = await call('POST', `${path}/members`, { member: 'P2' })
    t.match(shared, { status: 200, json: { member_id: 'P2', status: 'pending' } })
    const accepted = await other('PUT', `${path}/members/P2`, { status: 'accepted' })
    t.match(accepted, { status: 200, json: { status: 'accepted' } })
    t.equal((await call('GET', `${path}/members`)).json.members.length, 1)
    t.equal((await call('DELETE', `${path}/members/P2`)).status, 204)
  })

  await t.test('upload and download', async (t) => {
    const up = await call('PUT', `${path}/file`, chunked(bytes), OCTETS)
    t.equal(up.status, 204)
    t.ok((await call('GET', `${path}/file`)).body.equals(bytes))
  })

  await t.test('imports and tasks', async (t) => {
    const info = await call('GET', '/v2/info/import')
    t.match(info.json, { 'import-methods': { value: ['glance-direct', 'web-download'] } })
    const staged = await stack.create(P1)
    const stage = await call('PUT', `/v2/images/${staged.id}/stage`, chunked(bytes), OCTETS)
    t.equal(stage.status, 204)
    const fetched = await stack.create(P1)
    for (const [image, method] of [
      [staged.id, { name: 'glance-direct', uri: '' }],
      [fetched.id, { name: 'web-download', uri: 'http://outside.test/disk' }]
    ] as const) {
      const begun = await call('POST', `/v2/images/${image}/import`, { method })
      t.equal(begun.status, 202, method.name)
      await until('it is active', 15_000, async () =>
        (await call('GET', `/v2/images/${image}`)).json.status === 'active' ? true : undefined
      )
      const { tasks } = (await call('GET', `/v2/images/${image}/tasks`)).json
      t.match(tasks, [{ type: 'api_image_import', status: 'success' }])
    }
  })
  t.equal((await call('DELETE', path)).status, 204)
  t.equal((await call('GET', path)).status, 404)
})

t.test('CLI7 Terraform: apply, plan, change, destroy', async (t) => {
  const { stack, web } = await open()
  const bytes = randomBytes(200_000)
  web.bytes.set('http://outside.test/disk', bytes)
  const call = client(stack, P1, 'HashiCorp Terraform/1.9 (+https://www.terraform.io) gophercloud')
  const wanted = {
    name: 'Rancher',
    container_format: 'bare',
    disk_format: 'raw',
    min_disk: 10,
    min_ram: 1024,
    protected: false,
    visibility: 'private',
    tags: ['foo.bar', 'tag.value'],
    key: 'value'
  }
  const made = await call('POST', '/v2/images', { ...wanted, os_hidden: false })
  t.equal(made.status, 201)
  const path = `/v2/images/${made.json.id}`

  t.equal((await call('PUT', `${path}/file`, chunked(bytes), OCTETS)).status, 204)
  const state = (await call('GET', path)).json
  t.match(state, { ...wanted, tags: [], status: 'active', size: bytes.length })
  t.same([...state.tags].sort(), wanted.tags)
  t.equal(state.checksum, digest(bytes, 'md5'), 'verify_checksum')

  await t.test('nothing to do: an empty change', async (t) => {
    t.equal((await call('PATCH', path, [], PATCH)).status, 200)
    t.same((await call('GET', path)).json, state)
  })

  await t.test('a change', async (t) => {
    const changed = await call(
      'PATCH',
      path,
      [
        { op: 'replace', path: '/name', value: 'TerraformAccTest' },
        { op: 'replace', path: '/tags', value: ['foo.bar'] },
        { op: 'replace', path: '/key', value: 'other' },
        { op: 'replace', path: '/min_ram', value: 2048 },
        { op: 'replace', path: '/protected', value: false }
      ],
      PATCH
    )
    t.match(changed, { status: 200, json: { name: 'TerraformAccTest', key: 'other' } })
    t.same(changed.json.tags, ['foo.bar'])
  })

  await t.test('the data source', async (t) => {
    const query = [
      'name=TerraformAccTest',
      'visibility=private',
      'owner=P1',
      'size_min=1000',
      `size_max=${bytes.length}`,
      'sort=name%3Aasc',
      'tag=foo.bar',
      'os_hidden=false',
      'key=other'
    ]
    const found = await call('GET', `/v2/images?${query.join('&')}`)
    t.match(found.json.images, [{ id: made.json.id }])
    t.equal(found.json.images.length, 1)
    const none = await call('GET', `/v2/images?${query.join('&').replace('key=other', 'key=x')}`)
    t.same(none.json.images, [])
  })

  await t.test('access for others', async (t) => {
    await call('PATCH', path, [{ op: 'replace', path: '/visibility', value: 'shared' }], PATCH)
    const other = client(stack, P2, 'terraform')
    t.equal((await call('POST', `${path}/members`, { member: 'P2' })).status, 200)
    const accepted = await other('PUT', `${path}/members/P2`, { status: 'accepted' })
    t.equal(accepted.json.status, 'accepted')
    t.equal((await call('GET', `${path}/members/P2`)).json.status, 'accepted')
    t.equal((await call('DELETE', `${path}/members/P2`)).status, 204)
  })

  await t.test('web_download: only states that it waits for', async (t) => {
    const { id } = (await call('POST', '/v2/images', wanted)).json
    const method = { name: 'web-download', uri: 'http://outside.test/disk' }
    t.equal((await call('POST', `/v2/images/${id}/import`, { method })).status, 202)
    const states = new Set<string>()
    await until('it is active', 15_000, async () => {
      const { status } = (await call('GET', `/v2/images/${id}`)).json
      states.add(status)
      return status === 'active' ? true : undefined
    })
    for (const status of states) {
      t.ok(['queued', 'saving', 'importing', 'active'].includes(status), status)
    }
    t.equal((await call('DELETE', `/v2/images/${id}`)).status, 204)
  })
  t.equal((await call('DELETE', path)).status, 204)
  t.equal((await call('GET', path)).status, 404, 'the poll that ends it')
})

t.test('CLI8 a compute service: snapshot, location, copy', async (t) => {
  const { stack, web } = await open()
  const bytes = randomBytes(100_000)
  web.bytes.set('http://outside.test/volume', bytes)
  const call = client(stack, P1, 'python-glanceclient')

  await t.test('a snapshot', async (t) => {
    const schema = await call('GET', '/v2/schemas/image')
    t.ok(schema.json.properties.disk_format.enum.includes('qcow2'))
    const made = await call('POST', '/v2/images', {
      name: 'snapshot',
      visibility: 'private',
      image_type: 'snapshot',
      base_image_ref: '',
      instance_uuid: '8a1e3a3c-0e53-4ad1-9d6f-6f0a3b9d0001',
      owner_project_name: 'one'
    })
    t.equal(made.status, 201)
    const path = `/v2/images/${made.json.id}`
    const formats = [
      { op: 'add', path: '/disk_format', value: 'raw' },
      { op: 'add', path: '/container_format', value: 'bare' }
    ]
    t.equal((await call('PATCH', path, formats, PATCH)).status, 200)
    t.equal((await call('PUT', `${path}/file`, chunked(bytes), OCTETS)).status, 204)
    t.match((await call('GET', path)).json, { status: 'active', image_type: 'snapshot' })
    t.ok((await call('GET', `${path}/file`)).body.equals(bytes))

    const copy = { method: { name: 'copy-image' }, stores: ['second'] }
    const more = { all_stores: false, all_stores_must_succeed: true }
    const denied = await call('POST', `${path}/import`, { ...copy, ...more })
    t.equal(denied.status, 403, 'it needs an administrator')
    const service = client(stack, ADMIN, 'python-glanceclient')
    const begun = await service('POST', `${path}/import`, { ...copy, ...more })
    t.equal(begun.status, 202)
    await until('it is in both', 15_000, async () =>
      (await call('GET', path)).json.stores === 'main,second' ? true : undefined
    )
    const again = await service('POST', `${path}/import`, { ...copy, ...more })
    t.equal(again.status, 400, 'it has the image')
    t.equal((await call('DELETE', path)).status, 204)
    t.equal((await call('DELETE', path)).status, 404)
  })

  await t.test('no bytes of its own', async (t) => {
    const { id } = await stack.create(P1)
    t.equal((await call('PUT', `/v2/images/${id}/file`, Readable.from([]), OCTETS)).status, 204)
    t.match((await call('GET', `/v2/images/${id}`)).json, { status: 'active', size: 0 })
  })

  await t.test('a location', async (t) => {
    const { id } = await stack.create(P1)
    const place = { url: 'http://outside.test/volume' }
    t.equal((await call('POST', `/v2/images/${id}/locations`, place)).status, 202)
    await until('it is active', 15_000, async () =>
      (await call('GET', `/v2/images/${id}`)).json.status === 'active' ? true : undefined
    )
    t.ok((await call('GET', `/v2/images/${id}/file`)).body.equals(bytes))
  })
})
