import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { gate, importBy, over, show } from '../../src/imports.ts'
import {
  ADMIN,
  type JsonAnswer,
  openStack,
  P1,
  READER,
  type Stack,
  type Who
} from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BYTES = Buffer.from('an image from outside')
const URI = 'http://outside.test/data'
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

async function open(t: Test, more: { api?: object; registry?: Record<string, unknown> } = {}) {
  const [main, web] = [new FakeStore(), new FakeStore()]
  web.bytes.set(URI, BYTES)
  const stack = await openStack({
    api: {
      stores: { main: { use: 'main' }, web: { use: 'web' } },
      jobs: { pollSeconds: 0.1 },
      ...more.api
    },
    ...(more.registry === undefined ? {} : { registry: more.registry }),
    plugins: { main: main.plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())
  return { stack, main }
}

const wish = (properties: object = {}, uri = URI) => ({
  type: 'import',
  input: { import_from: uri, import_from_format: 'raw', image_properties: properties }
})

const make = async (stack: Stack, properties: object = {}, uri = URI) => {
  const { status, body } = await stack.json(ADMIN, 'POST', '/v2/tasks', wish(properties, uri))
  if (status !== 201) throw new Error(`task: ${status} ${JSON.stringify(body)}`)
  return body as { readonly id: string; readonly image_id: string }
}

const ended = (stack: Stack, id: string) =>
  until(`task ${id} is over`, 15_000, async () => {
    const { body } = await stack.json(ADMIN, 'GET', `/v2/tasks/${id}`)
    return body.expires_at === null ? undefined : body
  })

const ids = async (stack: Stack, query = '', who: Who = ADMIN): Promise<string[]> =>
  (await stack.json(who, 'GET', `/v2/tasks${query}`)).body.tasks.map(({ id }: { id: string }) => id)

t.test('tasks', async (t) => {
  const { stack, main } = await open(t)

  await t.test('TSK2, TSK3: an import task makes an image and says how it went', async (t) => {
    const { opened, open: go } = gate()
    main.faults = { putWaits: opened }
    const body = wish({ name: 'from a task', os_distro: 'debian', tags: ['a'] })
    const made = await stack.json(ADMIN, 'POST', '/v2/tasks', body)
    t.equal(made.status, 201)
    const { id, image_id } = made.body
    t.equal(made.headers.location, `${stack.url}/v2/tasks/${id}`)
    t.match(made.body, {
      type: 'import',
      owner: 'ops',
      user_id: 'root',
      message: /^$|Copied 0 MiB/
    })
    t.same(made.body.input, body.input)
    t.same([made.body.result, made.body.expires_at], [null, null])
    t.equal(made.body.request_id, made.headers['x-openstack-request-id'])
    t.equal((await show(stack, image_id)).os_glance_import_task, id, 'one lock, one mechanism')
    go()
    main.faults = {}
    const task = await ended(stack, id)
    t.match(task, { status: 'success', result: { image_id }, message: '' })
    for (const name of ['created_at', 'updated_at', 'expires_at']) t.match(task[name], TIME, name)
    const kept = Date.parse(task.expires_at) - Date.parse(task.updated_at)
    t.equal(Math.round(kept / 3_600_000), 48, 'hours')
    t.match(await show(stack, image_id), {
      name: 'from a task',
      os_distro: 'debian',
      tags: ['a'],
      status: 'active',
      size: BYTES.length,
      disk_format: 'raw',
      container_format: 'bare'
    })
    const list = await stack.json(ADMIN, 'GET', '/v2/tasks')
    t.equal(list.status, 200)
    t.same([list.body.first, list.body.schema], ['/v2/tasks', '/v2/schemas/tasks'])
    t.notOk('next' in list.body)
    const { input: _input, result: _result, message: _message, ...row } = task
    t.same(list.body.tasks, [row])
  })

  await t.test('TSK2: a download that fails is a failure of the task alone', async (t) => {
    const { id, image_id } = await make(stack, {}, 'http://outside.test/missing')
    const task = await ended(stack, id)
    t.match(task, { status: 'failure', result: null, message: /cannot be used/ })
    t.match(await show(stack, image_id), { status: 'queued', size: null })
  })

  await t.test('TSK3: imports and locations of other projects are tasks, too', async (t) => {
    const { id } = await stack.create(P1)
    await importBy(stack, id, { name: 'web-download', uri: URI })
    await over(stack, id)
    const other = await stack.create(P1)
    await stack.json(P1, 'POST', `/v2/images/${other.id}/locations`, { url: URI })
    await over(stack, other.id)
    const { body } = await stack.json(ADMIN, 'GET', '/v2/tasks?limit=2')
    t.match(body.tasks, [
      { type: 'location_import', owner: 'P1', image_id: other.id },
      { type: 'api_image_import', owner: 'P1', image_id: id }
    ])
    const [, task] = body.tasks
    const shown = (await stack.json(ADMIN, 'GET', `/v2/tasks/${task.id}`)).body
    t.equal(shown.input.import_req.method.uri, URI)
  })

  await t.test('TSK4: filters, order and pages', async (t) => {
    const all = await ids(stack)
    t.equal(all.length, 4)
    t.same(await ids(stack, '?sort_dir=asc'), all.toReversed())
    const byId = await ids(stack, '?sort_key=id&sort_dir=asc')
    t.same(byId, [...all].sort())
    const failed = await ids(stack, '?status=failure')
    t.equal(failed.length, 1)
    t.same(await ids(stack, '?status=processing'), [])
    const imports = await ids(stack, '?type=import')
    t.same(imports, all.slice(2), 'those of the other kinds have their images')
    t.same(await ids(stack, '?type=import&status=failure'), failed)
    for (const key of ['created_at', 'status', 'expires_at', 'type']) {
      const seen: string[] = []
      let next: string | undefined = `/v2/tasks?limit=1&sort_key=${key}&sort_dir=asc`
      for (; next !== undefined; ) {
        const { body: page }: JsonAnswer = await stack.json(ADMIN, 'GET', next)
        t.match(page.first, `/v2/tasks?limit=1&sort_key=${key}&sort_dir=asc`)
        seen.push(...page.tasks.map(({ id }: { id: string }) => id))
        next = page.next
      }
      t.same([...seen].sort(), byId, `each once by ${key}`)
    }
    t.same(await ids(stack, '?limit=0'), [])
    for (const wrong of [
      'status=bogus',
      'type=bogus',
      'limit=-1',
      'limit=x',
      'marker=x',
      `marker=${randomUUID()}`,
      'sort_key=input',
      'sort_dir=up'
    ]) {
      t.equal((await stack.json(ADMIN, 'GET', `/v2/tasks?${wrong}`)).status, 400, wrong)
    }
  })

  await t.test('TSK5: what is missing or wrong', async (t) => {
    const images = async () => (await stack.json(ADMIN, 'GET', '/v2/images')).body.images.length
    const before = [await images(), (await ids(stack)).length]
    const { input } = wish()
    const without = (name: string) =>
      Object.fromEntries(Object.entries(input).filter(([key]) => key !== name))
    const wrong: [body: unknown, status: number][] = [
      [{}, 400],
      [[], 400],
      [{ type: 'import' }, 400],
      [{ input }, 400],
      [{ type: 'export', input }, 400],
      [{ type: 'api_image_import', input }, 400],
      [{ type: 'import', input: 'x' }, 400],
      ...['import_from', 'import_from_format', 'image_properties'].map((name): [object, number] => [
        { type: 'import', input: without(name) },
        400
      ]),
      [wish({}, 'http://127.0.0.1/x'), 400],
      [wish({}, 'file:///etc/passwd'), 400],
      [wish({ disk_format: 'qcow2' }), 400],
      [wish({ hw: 5 }), 400],
      [{ type: 'import', input: { ...input, import_from_format: 'zip' } }, 400],
      [wish({ status: 'active' }), 403],
      [wish({ os_glance_import_task: 'x' }), 403]
    ]
    for (const [body, status] of wrong) {
      const answer = await stack.json(ADMIN, 'POST', '/v2/tasks', body)
      t.equal(answer.status, status, JSON.stringify(body))
      t.type(answer.body.error.message, 'string')
    }
    t.same([await images(), (await ids(stack)).length], before, 'nothing was left behind')
  })

  await t.test('TSK1: for administrators alone', async (t) => {
    const [id] = await ids(stack)
    for (const who of [P1, READER]) {
      t.equal((await stack.json(who, 'GET', '/v2/tasks')).status, 403)
      t.equal((await stack.json(who, 'GET', `/v2/tasks/${id}`)).status, 403)
      t.equal((await stack.json(who, 'GET', `/v2/tasks/${randomUUID()}`)).status, 403)
      t.equal((await stack.json(who, 'POST', '/v2/tasks', wish())).status, 403)
      t.equal((await stack.json(who, 'POST', '/v2/tasks', {})).status, 403)
    }
    for (const unknown of [randomUUID(), 'x']) {
      t.equal((await stack.json(ADMIN, 'GET', `/v2/tasks/${unknown}`)).status, 404)
    }
  })

  await t.test('TSK6: tasks are only read', async (t) => {
    const [id] = await ids(stack)
    for (const method of ['DELETE', 'PUT', 'PATCH']) {
      const { status, headers } = await stack.call(ADMIN, method, `/v2/tasks/${id}`)
      t.match([status, headers.allow], [405, 'GET'], method)
    }
    const { headers } = await stack.call(ADMIN, 'DELETE', '/v2/tasks')
    t.equal(headers.allow, 'GET, POST')
  })
})

t.test('TSK1: a rule may open tasks; everyone sees those of the own project', async (t) => {
  const { stack } = await open(t, { api: { policy: { tasks_api_access: 'role:reader' } } })
  const { id } = await make(stack)
  t.equal((await stack.json(P1, 'GET', `/v2/tasks/${id}`)).status, 404)
  t.same(await ids(stack, '', P1), [])
  t.equal((await stack.json(P1, 'GET', `/v2/tasks?marker=${id}`)).status, 400)
  const { status, body } = await stack.json(P1, 'POST', '/v2/tasks', wish())
  t.match([status, body.owner], [201, 'P1'])
  t.same(await ids(stack, '', READER), [body.id])
  t.equal((await stack.json(READER, 'POST', '/v2/tasks', wish())).status, 403, 'it writes an image')
  const foreign = await stack.json(P1, 'POST', '/v2/tasks', wish({ owner: 'P2' }))
  t.equal(foreign.status, 403)
})

t.test('POL3, PP6: a task sets the properties that who asks for it may set', async (t) => {
  const propertyProtections = [
    { match: 'billing_', create: 'billing', read: 'billing', update: 'billing', delete: '!' },
    { match: '.', create: '@', read: '@', update: '@', delete: '@' }
  ]
  const policy = { tasks_api_access: 'role:member' }
  const { stack } = await open(t, { api: { propertyProtections, policy } })
  const body = wish({ billing_code: 'A7', os_distro: 'debian' })
  for (const who of [P1, ADMIN]) {
    t.equal((await stack.json(who, 'POST', '/v2/tasks', body)).status, 403, `${who.roles}`)
  }
  t.same((await stack.json(ADMIN, 'GET', '/v2/images')).body.images, [], 'no image is left')
  const biller: Who = { ...P1, roles: 'member,billing' }
  const made = await stack.json(biller, 'POST', '/v2/tasks', body)
  t.equal(made.status, 201)
  await over(stack, made.body.image_id)
  const path = `/v2/images/${made.body.image_id}`
  t.match((await stack.json(biller, 'GET', path)).body, { status: 'active', billing_code: 'A7' })
  const { body: shown } = await stack.json(P1, 'GET', path)
  t.match(shown, { status: 'active', os_distro: 'debian' })
  t.notOk('billing_code' in shown)
  const id = (await stack.create(P1)).id
  await importBy(stack, id, { name: 'web-download', uri: URI })
  await over(stack, id)
  t.equal((await show(stack, id)).status, 'active', 'what an import writes down is nobody’s right')
})

t.test('TSK2: where nothing is downloaded, and where there is no room', async (t) => {
  const off = await open(t, { api: { imports: { methods: ['copy-image'] } } })
  t.equal((await off.stack.json(ADMIN, 'POST', '/v2/tasks', wish())).status, 400)
  const { stack } = await open(t, { registry: { quotas: { uploads: 0 } } })
  t.equal((await stack.json(ADMIN, 'POST', '/v2/tasks', wish())).status, 413)
  const kept = wish({ protected: true })
  t.equal((await stack.json(ADMIN, 'POST', '/v2/tasks', kept)).status, 413)
  t.same((await stack.json(ADMIN, 'GET', '/v2/images')).body.images, [], 'no image is left')
})

t.test('TSK4: what is over is forgotten', async (t) => {
  const { stack } = await open(t, { registry: { background: { keepHours: 0.5 / 3600 } } })
  const { id, image_id } = await make(stack)
  await over(stack, image_id)
  await until('the task is gone', 15_000, async () => {
    const { status } = await stack.json(ADMIN, 'GET', `/v2/tasks/${id}`)
    return status === 404 ? true : undefined
  })
  t.same(await ids(stack), [])
  t.equal((await show(stack, image_id)).status, 'active')
})
