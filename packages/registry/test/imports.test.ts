import { randomUUID } from 'node:crypto'
import t from 'tap'
import { copyTo, createJobs, facts, importInto, type Worker } from './background.ts'
import { create, finished, openRegistry, type TestCaller, until, upload } from './registry.ts'
import { createWorker } from './worker.ts'

const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry
const jobs = createJobs(registry)
const worker = createWorker(registry)
const ALL = ['main', 'b', 'c', 'web']

function held(job: Worker | null): Worker {
  if (job === null) throw new Error('nothing to claim')
  return job
}

/** An image with data that waits for its import in the store `main`. */
async function staged(
  on: typeof registry,
  project: string,
  size: number,
  keep_seconds?: number
): Promise<{ readonly id: string; readonly key: string }> {
  const { id } = await create(on, { project })
  const operation = upload(id, { kind: 'stage', to: 'uploading' })
  const placement = { ...operation.placement, role: 'staged' } as const
  const begun = await on.call({ project }, 'POST', '/operations', { ...operation, placement })
  t.equal(begun.status, 201)
  const done = await on.call({ project }, 'POST', `/operations/${operation.id}/finish`, {
    ...finished(operation, size, 'uploading'),
    ...(keep_seconds === undefined ? {} : { keep_seconds })
  })
  t.match(done, { status: 200, json: { status: 'uploading', size, os_hash_value: null } })
  return { id, key: placement.key }
}

t.test('IMP6 what is fetched is shown when all is over', async (t) => {
  const { id } = await create(registry, { project: 'web' })
  const request = importInto(id, 'outside', 'main', 'b')
  for (let n = 0; n < 2; n++) t.equal((await jobs.enqueue(request)).status, 204)
  t.match(await jobs.image(id), { status: 'queued', os_glance_import_task: request.id })
  t.match(await worker.usage('web'), { reserved_bytes: 0, uploads: 1 })
  t.equal(await jobs.claim(['main', 'b']), null, 'a worker without a store that reads it')
  const job = held(await jobs.claim(ALL))
  t.match(job, { kind: 'import', source: null, placement: null })
  t.match(await jobs.image(id), { status: 'importing', os_glance_importing_to_stores: 'main,b' })
  const beat = { attempt: job.attempt, progress: 7 }
  t.equal((await jobs.act(job, 'heartbeat', beat)).status, 200)
  t.match(await worker.usage('web'), { reserved_bytes: 7 }, 'what was received is reserved')
  await jobs.stored(job, await jobs.begin(job, 'main'), facts(10))
  const between = await jobs.image(id)
  t.match(between, { status: 'importing', size: null, os_hash_value: null })
  t.notOk('stores' in between)
  const wrong = await jobs.stored(job, await jobs.begin(job, 'b'), facts(10, 'ff'.repeat(32)))
  t.equal(wrong.json.code, 'IMAGE_STATE', 'H3, S-13 the same bytes everywhere')
  await jobs.failed(job, 'b')
  t.equal((await jobs.complete(job)).status, 204)
  t.match(await jobs.image(id), { status: 'queued', size: null, os_glance_failed_import: 'b' })
  t.match(await worker.usage('web'), { reserved_bytes: 0, uploads: 0, stored_bytes: 10 })
  for (const store of ['main', 'b']) {
    for (const garbage of await worker.claim(store)) await worker.deleted(garbage)
  }
  t.match(await worker.usage('web'), { stored_bytes: 0 })
})

t.test('a fetch whose worker died is done again, however long it had to wait', async (t) => {
  const own = await openRegistry(t, { garbageGraceSeconds: 0 })
  const [work, collector] = [createJobs(own), createWorker(own)]
  const { id } = await create(own, { project: 'web' })
  await work.enqueue(importInto(id, 'outside', 'main'))
  const first = held(await work.claim(ALL, randomUUID(), 'gone/1/w'))
  const { key } = await work.begin(first, 'main')
  await own.call(admin, 'POST', '/operations/release', { worker_prefix: 'gone/' })
  const garbage = await collector.claim('main')
  t.strictSame(
    garbage.map((each) => each.key),
    [key]
  )
  for (const each of garbage) await collector.deleted(each)
  t.equal((await own.query('SELECT FROM placements')).length, 0, 'nothing is left of the first try')
  const again = held(await work.claim(ALL))
  await work.stored(again, await work.begin(again, 'main'), facts(10))
  t.equal((await work.complete(again)).status, 204)
  t.match(await work.image(id), { status: 'active', size: 10, stores: 'main' })
})

t.test('a fetch that ends without data leaves no record of it', async (t) => {
  const own = await openRegistry(t, { garbageGraceSeconds: 0 })
  const [work, collector] = [createJobs(own), createWorker(own)]
  const { id } = await create(own, { project: 'web' })
  await work.enqueue(importInto(id, 'outside', 'main'))
  const job = held(await work.claim(ALL))
  await work.begin(job, 'main')
  await work.failed(job, 'main')
  await work.complete(job)
  t.match(await work.image(id), { status: 'queued' })
  for (const each of await collector.claim('main')) await collector.deleted(each)
  t.equal((await own.query('SELECT FROM blobs')).length, 0)
})

t.test('IMP3 staged data becomes the image’s without being written again', async (t) => {
  const { id, key } = await staged(registry, 'direct', 10)
  t.match(await worker.usage('direct'), { stored_bytes: 10, reserved_bytes: 0 })
  await jobs.enqueue(importInto(id, 'staged', 'main', 'b'))
  t.match(await worker.usage('direct'), { stored_bytes: 10, reserved_bytes: 10 })
  const job = held(await jobs.claim(ALL))
  t.match(job, {
    targets: [
      { store: 'main', state: 'stored' },
      { store: 'b', state: 'waiting' }
    ],
    source: { blob: { size: 10, sha256: 'ab'.repeat(32) }, placements: [{ key, role: 'staged' }] }
  })
  await jobs.stored(job, await jobs.begin(job, 'b'), facts(10))
  await jobs.complete(job)
  t.match(await jobs.image(id), { status: 'active', stores: 'b,main', os_hash_algo: 'sha256' })
  const { placements } = (await call(admin, 'GET', `/images/${id}/data`)).json
  t.match(placements, [{ store: 'main', key, role: 'data' }, { store: 'b' }])
  t.match(await worker.usage('direct'), { stored_bytes: 20, reserved_bytes: 0, uploads: 0 })
})

t.test('IMP3 into another store: staged bytes have done their work', async (t) => {
  const { id, key } = await staged(registry, 'other', 10)
  await jobs.enqueue(importInto(id, 'staged', 'c'))
  t.equal(await jobs.claim(['c', 'web']), null, 'a worker without what was staged')
  const job = held(await jobs.claim(ALL))
  await jobs.stored(job, await jobs.begin(job, 'c'), facts(10))
  await jobs.complete(job)
  t.match(await jobs.image(id), { status: 'active', stores: 'c' })
  const garbage = await worker.claim('main')
  t.ok(garbage.some((each) => each.key === key))
  for (const each of garbage) await worker.deleted(each)
  t.match(await worker.usage('other'), { stored_bytes: 10, reserved_bytes: 0 })
})

t.test('STO4 a failure lets staged data go, and counts it until it is deleted', async (t) => {
  const { id, key } = await staged(registry, 'fails', 10)
  await jobs.enqueue(importInto(id, 'staged', 'main', 'b'))
  const job = held(await jobs.claim(ALL))
  await jobs.begin(job, 'b')
  await jobs.failed(job, 'b')
  await jobs.complete(job)
  t.match(await jobs.image(id), { status: 'queued', size: null, os_glance_failed_import: 'b' })
  const again = await jobs.enqueue(importInto(id, 'staged', 'main'))
  t.equal(again.json.code, 'IMAGE_STATE')
  t.match(await worker.usage('fails'), { stored_bytes: 10, reserved_bytes: 0, uploads: 0 })
  const garbage = await worker.claim('main')
  t.ok(garbage.some((each) => each.key === key))
  for (const each of garbage) await worker.deleted(each)
  t.match(await worker.usage('fails'), { stored_bytes: 0 })
  const rows = await query('SELECT FROM placements WHERE key = $1 AND state = $2', [key, 'stored'])
  t.equal(rows.length, 0)
})

t.test('IMP14 what nobody began makes room, and leaves staged data where it is', async (t) => {
  const stale = await openRegistry(t, { background: { staleSeconds: 0.1 } })
  const staleJobs = createJobs(stale)
  const { id } = await staged(stale, 'P1', 1)
  const first = importInto(id, 'staged', 'main')
  await staleJobs.enqueue(first)
  await until(
    async () => (await staleJobs.enqueue(importInto(id, 'staged', 'main'))).status === 204
  )
  const job = held(await staleJobs.claim(ALL))
  t.not(job.id, first.id)
  await staleJobs.complete(job)
  t.match(await staleJobs.image(id), { status: 'active', stores: 'main' })
})

t.test('S-36 staged data expires, unless an import was asked for', async (t) => {
  const quick = await openRegistry(t, {
    leaseSeconds: 2,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05
  })
  const quickJobs = createJobs(quick)
  const asked = await staged(quick, 'P1', 1, 3600)
  await quickJobs.enqueue(importInto(asked.id, 'staged', 'main'))
  await quick.query('UPDATE placements SET expires_at = now() WHERE key = $1', [asked.key])
  const { id, key } = await staged(quick, 'P1', 1, 0)
  await until(async () => (await quickJobs.image(id)).status === 'queued')
  t.match(await quickJobs.image(id), { size: null })
  t.match(await createWorker(quick).claim('main'), [{ key }])
  t.match(await quickJobs.image(asked.id), { status: 'uploading' })
  const changes = await quick.query('SELECT type FROM changes WHERE image_id = $1', [id])
  t.ok(changes.some(({ type }) => type === 'image.stage_expire'))
  await quickJobs.complete(held(await quickJobs.claim(ALL)))
  t.match(await quickJobs.image(asked.id), { status: 'active', stores: 'main' })
})

t.test('S-52 imports have one form', async (t) => {
  const { id } = await staged(registry, 'P1', 1)
  const good = importInto(id, 'staged', 'main')
  const outside = { blob_id: randomUUID(), store: 'web' }
  for (const bad of [
    { from: ['queued', 'uploading'] },
    { from: ['active'] },
    { to: null },
    { fallback: 'active' },
    { stores: ['b', 'b'] },
    { outside },
    { kind: 'copy', outside, from: ['active'], to: null, fallback: 'active' },
    { outside: { ...outside, more: 1 } },
    { location: { blob_id: randomUUID(), placement: upload(id).placement } }
  ]) {
    const answer = await call(admin, 'POST', '/operations/enqueue', { ...good, ...bad })
    t.equal(answer.status, 400, JSON.stringify(bad))
  }
  const queued = await create(registry, { project: 'P1' })
  t.equal((await jobs.enqueue(importInto(queued.id, 'staged', 'b'))).json.code, 'IMAGE_STATE')
  t.equal((await jobs.enqueue(importInto(id, 'outside', 'b'))).json.code, 'IMAGE_STATE')
})

t.test('IMP18 an import and what the image takes over are one', async (t) => {
  const { id } = await create(registry, { project: 'take' })
  const { headers } = await call(admin, 'GET', `/images/${id}`)
  const version = String(headers.etag).replaceAll('"', '')
  const fields = { disk_format: 'qcow2', properties: { hw_disk_bus: 'scsi' } } as const
  const request = { ...importInto(id, 'outside', 'main'), change: { version, fields } }
  const older = { ...request, change: { version: '0', fields } }
  t.match(await jobs.enqueue(older), { status: 412, json: { code: 'VERSION_CONFLICT' } })
  t.strictSame(await jobs.tasks(id), [], 'nothing was begun')
  t.equal((await jobs.enqueue(request)).status, 204)
  t.equal((await jobs.enqueue(request)).status, 204, 'idempotent by its id')
  const taken = { disk_format: 'qcow2', hw_disk_bus: 'scsi', os_glance_import_task: request.id }
  t.match(await jobs.image(id), taken)

  const again = await call(admin, 'GET', `/images/${id}`)
  const change = { version: String(again.headers.etag).replaceAll('"', ''), fields: {} }
  const second = { ...importInto(id, 'outside', 'main'), change }
  t.equal((await jobs.enqueue(second)).json.code, 'IMAGE_BUSY')
  const other = { ...change, fields: { disk_format: 'raw', properties: {} } } as const
  t.equal((await jobs.enqueue({ ...second, change: other })).json.code, 'IMAGE_BUSY')
  t.match(await jobs.image(id), taken, 'what is refused changes nothing')
  const copied = { ...copyTo(id, 'b'), change }
  t.equal((await jobs.enqueue(copied)).json.code, 'INVALID_REQUEST', 'only imports take over')
})

t.test('an import that waited for too long has changed no status, and says none', async (t) => {
  const stale = await openRegistry(t, { background: { staleSeconds: 0.05 } })
  const staleJobs = createJobs(stale)
  const { id } = await staged(stale, 'stale', 4)
  t.equal((await staleJobs.enqueue(importInto(id, 'staged', 'main'))).status, 204)
  const second = importInto(id, 'staged', 'main')
  await until(async () => (await staleJobs.enqueue(second)).status === 204)
  t.match(await staleJobs.image(id), { status: 'uploading' })
  const changes = await stale.query(
    `SELECT detail FROM changes WHERE image_id = $1 AND type = 'operation.expire'`,
    [id]
  )
  t.match(changes, [{ detail: { kind: 'import', reason: 'Expired lock preempted' } }])
  t.notOk(Object.hasOwn(Object(changes[0]?.detail), 'status'))
})

t.test('IMP17 an import of which nothing can become is a failed task at once', async (t) => {
  const { id } = await create(registry, { project: 'vain' })
  const { outside: _, ...rest } = importInto(id, 'outside', 'main', 'b')
  const request = { ...rest, failure: 'There is no such region' }
  for (let n = 0; n < 2; n++) t.equal((await jobs.enqueue(request)).status, 204, 'idempotent')
  t.match(await jobs.tasks(id), [
    { id: request.id, status: 'failure', message: request.failure, expires_at: /Z$/ }
  ])
  const image = await jobs.image(id)
  t.match(image, { status: 'queued', os_glance_failed_import: 'main,b' })
  t.notOk('os_glance_import_task' in image)
  t.match(await worker.usage('vain'), { reserved_bytes: 0, uploads: 0 })
  t.equal((await jobs.enqueue(importInto(id, 'outside', 'main'))).status, 204, 'IMP21')

  const active = { ...copyTo(id, 'b'), failure: 'x' }
  t.equal((await jobs.enqueue(active)).json.code, 'INVALID_REQUEST', 'only imports')
  const both = { ...importInto(id, 'outside', 'main'), failure: 'x' }
  t.equal((await jobs.enqueue(both)).json.code, 'INVALID_REQUEST', 'and without data')
})
