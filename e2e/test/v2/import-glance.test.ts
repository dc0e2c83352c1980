import { randomBytes, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { newTokenSecret } from '@tank/service'
import pg from 'pg'
import t, { type Test } from 'tap'
import { qcow2, vmdk } from '../../src/disk-images.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { openFront } from '../../src/front.ts'
import { digest, gate, holds, importBy, over, show, tasks } from '../../src/imports.ts'
import { ADMIN, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const IMAGE = qcow2(() => {}, 437_856)
const STORES = { main: { use: 'main' } }
const TAKEN = {
  hw_disk_bus: 'scsi',
  hw_machine_type: 'q35',
  'trait:HW_CPU_X86_AVX2': 'required',
  os_distro: 'debian',
  os_secure_boot: 'required',
  os_type: 'linux'
}
const LEFT = { os_version: '12', secret_note: 'of the other region' }

type Path = string | undefined
type Answer = (path: string, outgoing: ServerResponse) => Path | Promise<Path>

/** The image service of another region, that wants a token, and what stands in front of it. */
async function openRemote(t: Test, api: object = {}) {
  const store = new FakeStore()
  const stack = await openStack({
    api: { stores: STORES, ...api },
    plugins: { main: store.plugin() }
  })
  t.teardown(() => stack.close())
  const { secret, digest } = newTokenSecret()
  await stack.registry.createToken({
    id: randomUUID(),
    name: 'other-region',
    digest,
    user: 'tank',
    project: 'ops',
    domain: null,
    roles: ['admin'],
    expires_at: null
  })
  const { url, stop } = await stack.openApi({ identity: { mode: 'tokens' } })
  t.teardown(stop)
  const asked: string[] = []
  const front: { answer: Answer } = { answer: (path) => path }
  const through = await openFront(t, url, (path, outgoing) => {
    asked.push(path)
    return front.answer(path, outgoing)
  })
  const made = async (bytes = IMAGE, fields: object = {}) => {
    const image = await stack.create(P1, { disk_format: 'qcow2', ...TAKEN, ...LEFT, ...fields })
    const { status } = await stack.upload(P1, image.id, bytes)
    if (status !== 204) throw new Error(`the other region answered ${status}`)
    return image.id
  }
  return { stack, store, secret, url: through, asked, front, made }
}

function regionsOf(two: object) {
  return {
    methods: ['glance-direct', 'glance-download'],
    glanceDownload: { regions: { two: { access: 'account', timeoutSeconds: 3, ...two } } }
  }
}

async function open(t: Test, api: object = {}, remoteApi: object = {}) {
  const remote = await openRemote(t, remoteApi)
  const [main, b] = [new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: { ...STORES, b: { use: 'b' } },
      defaultStore: 'main',
      jobs: { pollSeconds: 0.1 },
      imports: regionsOf({ endpoints: { public: `${remote.url}/` }, token: remote.secret }),
      ...api
    },
    plugins: { main: main.plugin(), b: b.plugin() }
  })
  t.teardown(() => stack.close())
  return { stack, remote, main, b }
}

const download = (id: unknown, more: object = {}) => ({
  name: 'glance-download',
  glance_region: 'two',
  glance_image_id: id,
  ...more
})

/** The image and its task when the import of a new one is over. */
async function imported(stack: Stack, method: ReturnType<typeof download>, more: object = {}) {
  const { id } = await stack.create(P1)
  const { status, body } = await importBy(stack, id, method, more)
  if (status !== 202) return { id, status, message: body.error.message, image: undefined }
  const image = await over(stack, id)
  const [task] = await tasks(stack, id)
  return { id, status, message: task.message as string, image, task }
}

/** Everything that a registry keeps, as text. */
async function rowsOf(stack: Stack): Promise<string> {
  const sql = new pg.Pool({ connectionString: stack.databaseUrl, max: 1 })
  try {
    const { rows } = await sql.query(
      'SELECT to_jsonb(o)::text AS row FROM operations o UNION ALL SELECT to_jsonb(i)::text FROM images i UNION ALL SELECT to_jsonb(c)::text FROM changes c'
    )
    return rows.map(({ row }) => row).join('\n')
  } finally {
    await sql.end()
  }
}

t.test('glance-download from another Tank', async (t) => {
  const { stack, remote, main, b } = await open(t, {}, { osHashAlgo: 'sha512', md5: false })
  const source = await remote.made()

  await t.test('IMP1: the method is listed where it is on', async (t) => {
    const { body } = await stack.json(P1, 'GET', '/v2/info/import')
    t.same(body['import-methods'].value, ['glance-direct', 'glance-download'])
    const other = await remote.stack.json(P1, 'GET', '/v2/info/import')
    t.notOk(other.body['import-methods'].value.includes('glance-download'))
    const { id } = await remote.stack.create(P1)
    const { status, body: refusal } = await importBy(remote.stack, id, download(source))
    t.equal(status, 400)
    t.match(refusal.error.message, /not available/)
  })

  await t.test('IMP18: data, formats and some properties are taken over', async (t) => {
    const { id } = await stack.create(P1, { os_distro: 'fedora', own: 'kept' })
    const { status } = await importBy(stack, id, download(source))
    t.equal(status, 202)
    const image = await over(stack, id)
    t.match(image, {
      status: 'active',
      size: IMAGE.length,
      os_hash_algo: 'sha256',
      os_hash_value: digest(IMAGE),
      disk_format: 'qcow2',
      container_format: 'bare',
      own: 'kept',
      ...TAKEN
    })
    for (const name of Object.keys(LEFT)) t.notOk(name in image, name)
    t.ok((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).body.equals(IMAGE))
    const [task] = await tasks(stack, id)
    t.match(task, { type: 'api_image_import', status: 'success', owner: 'P1' })
    t.same(task.input, {
      image_id: id,
      import_req: { method: download(source) },
      backend: ['main']
    })
  })

  await t.test('IMP18: to several stores, read once from the other region', async (t) => {
    const before = remote.asked.filter((path) => path.endsWith('/file')).length
    const { image } = await imported(stack, download(source), { all_stores: true })
    t.match(image, { status: 'active', stores: /^(main,b|b,main)$/ })
    t.ok(holds(main, IMAGE) && holds(b, IMAGE))
    t.equal(remote.asked.filter((path) => path.endsWith('/file')).length, before + 1)
  })

  await t.test('IMP18: one store that fails, where all need not succeed', async (t) => {
    b.faults = { fails: 'FULL' }
    const failing = { stores: ['b', 'main'], all_stores_must_succeed: false }
    const { image } = await imported(stack, download(source), failing)
    t.match(image, { status: 'active', stores: 'main', os_glance_failed_import: 'b' })
    const all = await imported(stack, download(source), { stores: ['main', 'b'] })
    t.match(all.image, { status: 'queued', size: null, os_glance_failed_import: 'b' })
    b.faults = {}
  })

  await t.test('IMP18: an image without bytes', async (t) => {
    const empty = await remote.made(Buffer.alloc(0))
    const { image } = await imported(stack, download(empty))
    t.match(image, { status: 'active', size: 0, os_hash_value: digest(Buffer.alloc(0)) })
  })

  await t.test('IMP17: what the request itself shows to be wrong', async (t) => {
    const { id } = await stack.create(P1)
    const before = remote.asked.length
    const cases: [object, RegExp][] = [
      [{ name: 'glance-download', glance_image_id: source }, /glance_region/],
      [{ name: 'glance-download', glance_region: 'two' }, /glance_image_id/],
      [download('cirros'), /image id does not look like a UUID: "cirros"/],
      [download(`${source}/../x`), /does not look like a UUID/],
      [download(7), /glance_image_id/],
      [download(source, { glance_service_interface: 7 }), /glance_service_interface/]
    ]
    for (const [method, message] of cases) {
      const { status, body } = await importBy(stack, id, method as ReturnType<typeof download>)
      t.equal(status, 400, JSON.stringify(method))
      t.match(body.error.message, message)
    }
    t.equal(remote.asked.length, before, 'nobody was asked')
    t.same(await tasks(stack, id), [])
    const theirs = await importBy(stack, id, download('cirros'), {}, P2)
    t.equal(theirs.status, 404, 'I3 comes before I6')
  })

  await t.test('IMP17: a region that is not there is told by the task', async (t) => {
    const before = remote.asked.length
    const cases: [object, RegExp][] = [
      [{ glance_region: 'not a region' }, /Region 'not a region' is not known here/],
      [{ glance_region: 'constructor' }, /'constructor' is not known/],
      [{ glance_service_interface: 'admin' }, /no image service at its interface 'admin'/],
      [{ glance_service_interface: 'constructor' }, /at its interface 'constructor'/]
    ]
    for (const [more, message] of cases) {
      const method = download(source, more)
      t.match(await imported(stack, method), {
        status: 202,
        message,
        task: { status: 'failure', type: 'api_image_import', input: { import_req: { method } } },
        image: { status: 'queued', os_glance_failed_import: 'main' }
      })
    }
    t.equal(remote.asked.length, before, 'nobody was asked')
  })

  await t.test('IMP18: an image there that cannot be taken is told by the task', async (t) => {
    const failed = (message: RegExp) => ({ status: 202, message, task: { status: 'failure' } })
    t.match(await imported(stack, download(randomUUID())), failed(/There is no image/))
    const queued = await remote.stack.create(P1)
    const early = await imported(stack, download(queued.id))
    t.match(early, failed(/is queued; it has to be active/))
    const off = await remote.made()
    await remote.stack.call(ADMIN, 'POST', `/v2/images/${off}/actions/deactivate`)
    t.match(await imported(stack, download(off)), failed(/is deactivated/))
    const image = await show(stack, early.id)
    t.match(image, { status: 'queued', disk_format: 'raw' }, 'nothing was taken over')
    t.notOk('os_glance_import_task' in image)
    t.equal((await importBy(stack, early.id, download(source))).status, 202, 'IMP21')
    t.match(await over(stack, early.id), { status: 'active' })
  })

  await t.test('IMP13: what is taken over goes with the import, or not at all', async (t) => {
    const { id } = await stack.create(P1)
    const other = await remote.made(vmdk(), { hw_disk_bus: 'virtio', disk_format: 'vmdk' })
    const [waiting, looking] = [gate(), gate()]
    main.faults = { putWaits: waiting.opened }
    remote.front.answer = async (path) => {
      if (path.endsWith(`/images/${other}`)) await looking.opened
      return path
    }
    const slower = importBy(stack, id, download(other))
    await until('the other image is looked at', 10_000, () =>
      remote.asked.some((path) => path.endsWith(other)) ? true : undefined
    )
    t.equal((await importBy(stack, id, download(source))).status, 202)
    await until('the import has begun', 10_000, async () =>
      (await show(stack, id)).status === 'importing' ? true : undefined
    )
    looking.open()
    t.equal((await slower).status, 409, 'one that looked before the other began')
    remote.front.answer = (path) => path
    t.equal((await importBy(stack, id, download(other))).status, 409)
    main.faults = {}
    waiting.open()
    t.match(await over(stack, id), { disk_format: 'qcow2', hw_disk_bus: 'scsi' })
  })

  await t.test('S-02: the token of the account is in no answer and no row', async (t) => {
    const rows = await rowsOf(stack)
    t.match(rows, 'glance-download', 'the rows are there')
    t.notMatch(rows, remote.secret)
  })
})

t.test('IMP18: properties are for those who may write them, and are counted', async (t) => {
  const may = { read: '@', update: '@', delete: '@' }
  const { stack, remote } = await open(t, {
    propertyProtections: [
      { match: 'trait:', create: 'admin', ...may },
      { match: '.*', create: '@', ...may }
    ],
    limits: { properties: 5 }
  })
  const source = await remote.made()
  t.match(await imported(stack, download(source)), {
    status: 403,
    message: /not permitted to create the property 'trait:HW_CPU_X86_AVX2'/
  })
  const { id } = await stack.create(ADMIN)
  t.equal((await importBy(stack, id, download(source), {}, ADMIN)).status, 413)
  const few = await remote.made(IMAGE, { 'trait:HW_CPU_X86_AVX2': undefined })
  t.match((await imported(stack, download(few))).image, { status: 'active', hw_disk_bus: 'scsi' })
})

t.test('glance-download from a service that fails', async (t) => {
  const { stack, remote, main } = await open(t, { imageSizeCap: 800_000 })
  const source = await remote.made()
  const isFile = (path: string) => path.endsWith('/file')
  const say = (status: number, wrong: (path: string) => boolean, headers = {}): Answer => {
    return (path, outgoing) => {
      if (!wrong(path)) return path
      outgoing.writeHead(status, headers).end('{}')
      return undefined
    }
  }
  const failed = async (t: Test, answer: Answer, message: RegExp) => {
    remote.front.answer = answer
    const outcome = await imported(stack, download(source))
    remote.front.answer = (path) => path
    t.match(outcome, { status: 202, message, task: { status: 'failure' } })
    t.match(outcome.image, { status: 'queued', size: null, os_glance_failed_import: 'main' })
    t.notMatch(outcome.message, remote.secret)
  }

  await t.test('IMP18: when it is looked at', async (t) => {
    const all = () => true
    const inside = { location: `${remote.url}/v2/images/${source}` }
    await failed(t, say(500, all), /region 'two' cannot be used: it answered 500/)
    await failed(t, say(302, all, inside), /it answered 302/)
    await failed(t, say(401, all), /region 'two' refuses to give the image/)
    await failed(t, say(200, all), /its answer is no image/)
    const cut: Answer = (_path, outgoing) => {
      outgoing.destroy()
      return undefined
    }
    await failed(t, cut, /it does not answer/)
    const other = await remote.made(randomBytes(10), { disk_format: 'raw' })
    const swapped: Answer = (path) => path.replace(source, other)
    await failed(t, swapped, /its answer is no image/)
  })

  await t.test('IMP18: when it is fetched', async (t) => {
    const inside = { location: `${remote.url}/v2/images/${source}/file` }
    await failed(t, say(404, isFile), /There is no image/)
    await failed(t, say(403, isFile), /refuses to give the image/)
    await failed(t, say(204, isFile), /the image has no data/)
    await failed(t, say(302, isFile, inside), /it answered 302/)
    await failed(t, say(200, isFile, { 'content-length': 2 }), /another size than its record/)
    remote.store.faults = { corrupts: true }
    await failed(t, (path) => path, /another digest than its source says/)
    remote.store.faults = { breaksAfter: 300_000 }
    await failed(t, (path) => path, /cannot be used/)
    remote.store.faults = {}
    t.equal(main.bytes.size, 0, 'nothing of it is left')
    t.match((await imported(stack, download(source))).image, { status: 'active' }, 'IMP21')
  })

  await t.test('IMP18, S-06: an image that is too large is not fetched', async (t) => {
    const huge = await remote.made(Buffer.alloc(800_001), { disk_format: 'raw' })
    const before = remote.asked.filter(isFile).length
    t.match(await imported(stack, download(huge)), {
      status: 202,
      message: /at most 800000/,
      task: { status: 'failure' }
    })
    t.equal(remote.asked.filter(isFile).length, before)
  })

  await t.test('DELETE of the image ends the download', async (t) => {
    const { id } = await stack.create(P1)
    remote.store.faults = { breaksAfter: 300_000, silently: true }
    t.equal((await importBy(stack, id, download(source))).status, 202)
    await until('it is fetched', 10_000, () => (remote.store.open > 0 ? true : undefined))
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    await until('the other side is let go', 10_000, () =>
      remote.store.open === 0 ? true : undefined
    )
    remote.store.faults = {}
  })
})
