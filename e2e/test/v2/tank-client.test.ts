import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  createTankClient,
  customProperties,
  type ImportProgress,
  type UploadSource
} from '@tank/client'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, identityHeaders, openStack, P1, type Who } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BYTES = randomBytes(300_000)
const RAW = { disk_format: 'raw', container_format: 'bare' } as const
const WEB = 'http://outside.test/disk.raw'
const quick = { pollMs: 20 }

async function open(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'tank-client-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [main, second, web] = [new FakeStore(), new FakeStore(), new FakeStore()]
  web.bytes.set(WEB, BYTES)
  const stack = await openStack({
    api: {
      stores: { main: { use: 'main' }, second: { use: 'second' }, web: { use: 'web' } },
      cache: { dir: join(folder, 'cache') },
      jobs: { pollSeconds: 0.1 }
    },
    plugins: { main: main.plugin(), second: second.plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())
  const client = (who: Who) => {
    const made = createTankClient({ url: stack.url, headers: identityHeaders(who) })
    t.teardown(() => made.close())
    return made
  }
  return { folder, web, tank: client(P1), admin: client(ADMIN) }
}

t.test('the client imports, waits, copies and looks', async (t) => {
  const { tank, admin, web } = await open(t)
  t.same((await tank.info.importMethods()).sort().slice(0, 2), ['copy-image', 'glance-direct'])
  t.type(await tank.info.usage(), 'object')
  const staged = await tank.create({ name: 'staged', ...RAW })
  await tank.stage(staged.id, Readable.from([BYTES]))
  const job = await tank.import(staged.id, { method: 'glance-direct', stores: ['main'] })
  const seen: ImportProgress[] = []
  const active = await job.wait({ ...quick, onProgress: (progress) => seen.push(progress) })
  t.match(active, { status: 'active', size: BYTES.length, stores: 'main' })
  for (const { status } of seen) t.match(status, /^(pending|processing)$/)

  const copy = await admin.copyTo(staged.id, ['second'])
  t.equal((await copy.wait(quick)).stores, 'main,second')
  const nothing = await admin.copyTo(staged.id, 'all')
  t.match(await nothing.wait(quick), { status: 'active' }, 'there may be nothing to do')
  t.equal((await tank.waitFor(staged.id, quick)).status, 'active')
  await admin.stores.removeImage('second', staged.id)
  t.equal((await tank.show(staged.id)).stores, 'main')

  const fetched = await tank.create({ name: 'fetched', ...RAW })
  const { wait } = await tank.import(fetched.id, { method: 'web-download', uri: WEB })
  t.match(await wait(quick), { status: 'active', size: BYTES.length })

  web.bytes.delete(WEB)
  const lost = await tank.create({ name: 'lost', ...RAW })
  const hopeless = await tank.import(lost.id, { method: 'web-download', uri: WEB })
  const [task] = await tank.tasks.ofImage(lost.id)
  t.match(task, { type: 'api_image_import', request_id: hopeless.requestId })
  await t.rejects(hopeless.wait(quick), { code: 'IMPORT_FAILED', message: /failed: ./ })
  const fresh = await tank.create({ name: 'untouched', ...RAW })
  await t.rejects(tank.waitFor(fresh.id, quick), { code: 'IMPORT_FAILED', message: /queued/ })
  await t.rejects(tank.import(fresh.id, { method: 'web-download', uri: 'file:///x' }), {
    code: 'INVALID_REQUEST'
  })
  const all = []
  for await (const each of admin.tasks.list({}, { pageSize: 1 })) all.push(each)
  t.ok(all.length >= 3)
  t.match(await admin.tasks.show(String(task?.id)), { status: 'failure' })
})

t.test('the client waits no longer than it is told', async (t) => {
  const { tank } = await open(t)
  const image = await tank.create({ name: 'endless', ...RAW })
  await tank.import(image.id, { method: 'web-download', uri: WEB })
  const reason = new Error('enough')
  await t.rejects(tank.waitFor(image.id, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('the client speaks of stores, cache and locations', async (t) => {
  const { tank, admin, web } = await open(t)
  const stores = await tank.stores.list()
  t.match(
    stores.map(({ id, isDefault, type }) => ({ id, isDefault, type })),
    [
      { id: 'main', isDefault: true, type: undefined },
      { id: 'second', isDefault: false },
      { id: 'web', isDefault: false }
    ]
  )
  t.equal(stores.find(({ id }) => id === 'web')?.isReadOnly, true)
  for (const store of await admin.stores.list({ detail: true })) t.type(store.weight, 'number')
  await t.rejects(tank.stores.list({ detail: true }), { code: 'FORBIDDEN' })

  const image = await tank.create({ name: 'there already', ...RAW })
  const job = await tank.locations.add(image.id, { url: WEB })
  t.match(await job.wait(quick), { status: 'active', size: BYTES.length })
  t.match(await admin.locations.list(image.id), [{ url: WEB }])

  await admin.cache.queue(image.id)
  const cached = await until('it is cached', 10_000, async () => {
    const content = await admin.cache.list()
    return content.cached.length > 0 ? content : undefined
  })
  t.match(cached.cached, [{ image_id: image.id, size: BYTES.length, hits: 0 }])
  t.ok(web.bytes.has(WEB))
  await admin.cache.clean()
  t.match(await admin.cache.prune(), { files: 0, bytes: 0 })
  await admin.cache.remove(image.id)
  await admin.cache.clear('queue')
  await admin.cache.clear()
  t.same(await admin.cache.list(), { cached: [], queued: [] })
  await t.rejects(tank.cache.list(), { code: 'FORBIDDEN' })
})

t.test('the client sends bytes of every kind, and gets them back', async (t) => {
  const { tank, folder } = await open(t)
  const file = join(folder, 'in.raw')
  await writeFile(file, BYTES)
  async function* chunks() {
    for (let at = 0; at < BYTES.length; at += 7_000) yield BYTES.subarray(at, at + 7_000)
  }
  const sources: Record<string, UploadSource> = {
    path: file,
    buffer: BYTES,
    blob: new Blob([BYTES]),
    node: Readable.from(chunks()),
    web: Readable.toWeb(Readable.from(chunks())),
    iterable: chunks()
  }
  for (const [name, source] of Object.entries(sources)) {
    const image = await tank.create({ name, ...RAW, properties: { kind: name } })
    let sent = 0
    await tank.upload(image.id, source, {
      onProgress: ({ bytes }) => {
        sent = bytes
      }
    })
    t.equal(sent, BYTES.length, name)
    const to = join(folder, name)
    const options = { resume: true, parallel: 3, partSize: 50_000 }
    t.match(await tank.download(image.id, to, options), {
      size: BYTES.length,
      verifiedWith: 'sha256'
    })
    t.ok((await readFile(to)).equals(BYTES), name)
    t.same(customProperties(await tank.show(image.id)), { kind: name })
  }
})
