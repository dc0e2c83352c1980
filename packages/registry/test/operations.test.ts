import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  create,
  createActive,
  finished,
  openRegistry,
  type TestCaller,
  until,
  upload
} from './registry.ts'
import { createWorker } from './worker.ts'

const p1 = { project: 'P1', user: 'ann' }
const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry

const { begin, act, abandon, statusOf, usage, claim, deleted } = createWorker(registry)

t.test('an upload from begin to finish', async (t) => {
  const { id } = await create(registry, { project: 'up' })
  const operation = upload(id, { store: 'up', reserve: 40 })
  const lease = await begin(operation, { project: 'up' })
  t.match(lease, { status: 201, json: { lease_ms: 30_000, heartbeat_ms: 10_000 } })
  t.equal(await statusOf(id), 'saving')
  t.match(await usage('up'), { images: 1, stored_bytes: 0, reserved_bytes: 40, uploads: 1 })
  const beat = await act(operation, 'heartbeat', { attempt: operation.attempt, progress: 10 })
  t.match(beat, { status: 200, json: { lease_ms: 30_000 } })
  const running = await call(admin, 'GET', `/operations/${operation.id}`)
  t.match(running.json, { state: 'running', progress: 10, worker: 'host/1/a', image_id: id })
  t.match(await call(admin, 'GET', `/images/${id}/data`), { json: { blob: null, placements: [] } })
  const done = await act(operation, 'finish', finished(operation, 42))
  t.match(done, {
    status: 200,
    headers: { etag: '"3"' },
    json: {
      status: 'active',
      size: 42,
      virtual_size: 84,
      checksum: 'cd'.repeat(16),
      os_hash_algo: 'sha256',
      os_hash_value: 'ab'.repeat(32),
      stores: 'up'
    }
  })
  t.match(await usage('up'), { images: 1, stored_bytes: 42, reserved_bytes: 0, uploads: 0 })
  const data = await call(admin, 'GET', `/images/${id}/data`)
  t.match(data.json, {
    id,
    status: 'active',
    owner: 'up',
    blob: { id: operation.blob_id, size: 42, sha256: 'ab'.repeat(32), format: 'raw' },
    placements: [{ ...operation.placement }]
  })
  t.equal((await call({ project: 'x' }, 'GET', '/operations')).json.code, 'FORBIDDEN')
  const list = await call(admin, 'GET', `/operations?image_id=${id}&state=success`)
  t.match(list.json.operations, [{ id: operation.id, progress: 42, error: null }])
  const unknown = await call(admin, 'GET', `/operations/${randomUUID()}`)
  t.equal(unknown.json.code, 'OPERATION_NOT_FOUND')
})

t.test('F3 what the bytes turned out to be goes along with finish', async (t) => {
  const properties = { a: 'own' }
  const { id } = await create(registry, { project: 'found' }, { disk_format: 'raw', properties })
  const operation = upload(id, { store: 'found' })
  await begin(operation, { project: 'found' })
  const found = {
    declared: { disk_format: 'raw', container_format: null },
    disk_format: 'vdi',
    format: 'vdi',
    verdict: 'safe',
    virtual_size: 7,
    properties: { a: 'new', b: 'new', c: 'new' },
    properties_limit: 2
  }
  const stale = { ...found, declared: { disk_format: 'raw', container_format: 'docker' } }
  const late = await act(operation, 'finish', { ...finished(operation, 42), found: stale })
  t.match(late, { status: 409, json: { code: 'IMAGE_STATE' } }, 'it was judged as something else')
  t.equal(await statusOf(id), 'saving')
  const bad = { ...found, properties: { id: 'no attribute' } }
  const refused = await act(operation, 'finish', { ...finished(operation, 42), found: bad })
  t.match(refused, { status: 400, json: { code: 'INVALID_REQUEST' } })
  const done = await act(operation, 'finish', { ...finished(operation, 42), found })
  t.match(done, { status: 200, json: { disk_format: 'vdi', virtual_size: 7, a: 'own', b: 'new' } })
  t.notOk('c' in done.json, 'there was no room for it')
  const [blob] = await query('SELECT format, verdict FROM blobs WHERE id = $1', [operation.blob_id])
  t.match(blob, { format: 'vdi', verdict: 'safe' })
})

t.test(
  'S-08 what an abandoned upload has left in its store counts until it is deleted',
  async (t) => {
    const { id } = await create(registry, { project: 'left' })
    const operation = upload(id, { store: 'left', reserve: 40 })
    await begin(operation, { project: 'left' })
    const reason = 'refused'
    const gone = await act(operation, 'abandon', { attempt: operation.attempt, reason, kept: true })
    t.equal(gone.status, 204)
    t.match(await usage('left'), { stored_bytes: 40, reserved_bytes: 0, uploads: 0 })
    for (const garbage of await claim('left')) await deleted(garbage)
    t.match(await usage('left'), { stored_bytes: 0 })
  }
)

t.test('S-53 bytes that were sent for one project do not become an image of another', async (t) => {
  const { id } = await create(registry, { project: 'from' })
  const operation = upload(id, { store: 'moved', reserve: 40 })
  await begin(operation, { project: 'from' })
  await query(`UPDATE images SET owner = 'to' WHERE id = $1`, [id])
  const refused = await act(operation, 'finish', finished(operation, 40))
  t.match(refused, { status: 409, json: { code: 'IMAGE_STATE' } })
  await query(`UPDATE images SET owner = 'from' WHERE id = $1`, [id])
  t.equal((await act(operation, 'finish', finished(operation, 40))).status, 200)
})

t.test('begin, finish, abandon and garbage are idempotent', async (t) => {
  const { id } = await create(registry, p1)
  const operation = upload(id, { store: 'idem' })
  t.equal((await begin(operation)).status, 201)
  t.equal((await begin(operation)).status, 201, 'begin again')
  const stolen = await begin({ ...operation, attempt: randomUUID() })
  t.match(stolen, { status: 409, json: { code: 'IMAGE_BUSY' } })
  const first = await act(operation, 'finish', finished(operation, 1))
  const again = await act(operation, 'finish', finished(operation, 1))
  t.equal(again.status, 200)
  t.equal(again.text, first.text)
  t.equal((await abandon(operation)).status, 204, 'too late, and no harm')
  t.equal(await statusOf(id), 'active')
  t.equal((await begin(operation)).json.code, 'OPERATION_GONE', 'it has ended')
  const [changes] = await query(
    `SELECT count(*)::int AS n FROM changes WHERE image_id = $1 AND type <> 'image.create'`,
    [id]
  )
  t.equal(changes?.n, 2, 'one begin and one finish')
  const other = await create(registry, p1)
  const abandoned = upload(other.id, { store: 'idem' })
  await begin(abandoned)
  for (let n = 0; n < 2; n++) t.equal((await abandon(abandoned)).status, 204)
  t.match((await call(admin, 'GET', `/operations/${abandoned.id}`)).json, {
    state: 'failure',
    error: 'test'
  })
  t.equal((await abandon(upload(id))).status, 204, 'unknown is gone, too')
  const reused = upload(other.id, { placement: abandoned.placement })
  t.equal((await begin(reused)).json.code, 'INVALID_REQUEST', 'keys are used once')
  t.equal(await statusOf(other.id), 'queued', 'and nothing was changed')
})

t.test('of concurrent begins one wins', async (t) => {
  const { id } = await create(registry, p1)
  const operations = Array.from({ length: 20 }, () => upload(id))
  const answers = await Promise.all(operations.map((operation) => begin(operation)))
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ json }) => json.code === 'IMAGE_STATE').length, 19)
  const image = await createActive(registry, p1, 1)
  const copies = Array.from({ length: 5 }, () =>
    upload(image.id, { kind: 'copy', from: ['active'], to: null, fallback: 'active' })
  )
  const copied = await Promise.all(copies.map((operation) => begin(operation)))
  t.equal(copied.filter(({ status }) => status === 201).length, 1)
  t.equal(copied.filter(({ json }) => json.code === 'IMAGE_BUSY').length, 4)
})

t.test('begin needs an image that the caller sees', async (t) => {
  const { id } = await create(registry, p1, { visibility: 'private' })
  const foreign = await begin(upload(id), { project: 'P2' })
  t.equal(foreign.json.code, 'IMAGE_NOT_FOUND')
  t.equal((await begin(upload(randomUUID()))).json.code, 'IMAGE_NOT_FOUND')
  const active = await createActive(registry, p1, 1)
  const state = await begin(upload(active.id))
  t.match(state, { status: 409, json: { code: 'IMAGE_STATE' } })
  const operation = upload(id)
  for (const bad of [
    { from: [] },
    { to: 'active' },
    { fallback: 'saving' },
    { reserve: -1 },
    { reserve: 2 ** 53 },
    { worker: '' },
    { blob_id: 'x' },
    { placement: { ...operation.placement, role: 'x' } },
    { extra: 1 }
  ]) {
    const answer = await call(p1, 'POST', '/operations', { ...operation, ...bad })
    t.equal(answer.status, 400, `S-52 ${JSON.stringify(bad)}`)
  }
})

t.test('an abandoned upload leaves a queued image without data', async (t) => {
  const { id } = await create(registry, { project: 'ab' })
  const operation = upload(id, { store: 'ab', reserve: 9 })
  await begin(operation, { project: 'ab' })
  const wrong = { attempt: 'other', reason: 'x' }
  t.equal((await act(operation, 'abandon', wrong)).status, 204)
  t.equal(await statusOf(id), 'saving', 'another attempt has no effect')
  await abandon(operation)
  const { json } = await call(admin, 'GET', `/images/${id}`)
  t.match(json, { status: 'queued', size: null, checksum: null, os_hash_value: null })
  t.notOk(Object.hasOwn(json, 'stores'))
  t.match(await usage('ab'), { stored_bytes: 0, reserved_bytes: 0, uploads: 0 })
  t.equal((await claim('ab'))[0]?.key, operation.placement.key, 'the key is collected')
  const second = upload(id, { store: 'ab' })
  t.equal((await begin(second, { project: 'ab' })).status, 201, 'and may be uploaded again')
})

t.test('fencing: another attempt is refused everywhere', async (t) => {
  const { id } = await create(registry, p1)
  const operation = upload(id)
  await begin(operation)
  const beat = await act(operation, 'heartbeat', { attempt: 'other', progress: 1 })
  t.match(beat, { status: 410, json: { code: 'OPERATION_GONE' } })
  const finish = { ...finished(operation, 1), attempt: 'other' }
  t.equal((await act(operation, 'finish', finish)).json.code, 'OPERATION_GONE')
  t.equal(await statusOf(id), 'saving')
  const unknown = upload(id)
  const lost = await act(unknown, 'heartbeat', { attempt: unknown.attempt, progress: 1 })
  t.equal(lost.json.code, 'OPERATION_GONE')
})

t.test('S-13 the bytes of an active image never change', async (t) => {
  const image = await createActive(registry, p1, 5)
  const operation = upload(image.id, { from: ['active'], to: null, fallback: 'active' })
  t.equal((await begin(operation)).status, 201)
  const other = finished(operation, 5)
  const swapped = { ...other, blob: { ...other.blob, sha256: 'ff'.repeat(32) } }
  const answer = await act(operation, 'finish', swapped)
  t.match(answer, { status: 409, json: { code: 'IMAGE_STATE' } })
  await abandon(operation)
  t.match((await call(p1, 'GET', `/images/${image.id}`)).json, {
    status: 'active',
    os_hash_value: 'ab'.repeat(32),
    size: 5
  })
  t.equal((await call(p1, 'GET', `/images/${image.id}/data`)).json.blob !== null, true)
})

t.test('DEL5 delete in mid-upload', async (t) => {
  const { id } = await create(registry, { project: 'del' })
  const operation = upload(id, { store: 'del', reserve: 7 })
  await begin(operation, { project: 'del' })
  t.equal((await call({ project: 'del' }, 'DELETE', `/images/${id}`)).status, 204)
  const row = await call(admin, 'GET', `/operations/${operation.id}`)
  t.match(row.json, { state: 'failure', error: 'image deleted' })
  const beat = await act(operation, 'heartbeat', { attempt: operation.attempt, progress: 1 })
  t.equal(beat.status, 410)
  const late = await act(operation, 'finish', finished(operation, 7))
  t.match(late, { status: 410, json: { code: 'IMAGE_GONE' } })
  t.match(await usage('del'), { images: 0, stored_bytes: 7, reserved_bytes: 0, uploads: 0 })
  const [garbage] = await claim('del')
  t.equal(garbage?.key, operation.placement.key, 'garbage at once')
  if (garbage !== undefined) await deleted(garbage)
  t.match(await usage('del'), { stored_bytes: 0 })
})

t.test('an expired lease: the sweeper frees the image, a late finish is refused', async (t) => {
  const short = await openRegistry(t, {
    leaseSeconds: 2,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05
  })
  const shortWorker = createWorker(short)
  const { id } = await create(short, p1)
  const alive = await create(short, p1)
  const dead = upload(id, { store: 'exp', reserve: 11 })
  const live = upload(alive.id)
  await shortWorker.begin(dead)
  await shortWorker.begin(live)
  await until(async () => {
    const beat = await shortWorker.act(live, 'heartbeat', { attempt: live.attempt, progress: 1 })
    if (beat.status !== 200) throw new Error('a live operation was ended')
    return (await shortWorker.statusOf(id)) === 'queued'
  })
  t.equal(await shortWorker.statusOf(alive.id), 'saving', 'a live one goes on')
  const row = await short.call(admin, 'GET', `/operations/${dead.id}`)
  t.match(row.json, { state: 'failure', error: 'lease expired', lease_until: null })
  const late = await shortWorker.act(dead, 'finish', finished(dead, 11))
  t.match(late, { status: 410, json: { code: 'OPERATION_GONE' } })
  const beat = await shortWorker.act(dead, 'heartbeat', { attempt: dead.attempt, progress: 2 })
  t.equal(beat.status, 410)
  t.match(await shortWorker.usage('P1'), { stored_bytes: 11, uploads: 1 }, 'its bytes may be there')
  t.equal((await shortWorker.claim('exp'))[0]?.key, dead.placement.key)
  t.equal((await shortWorker.begin(upload(id))).status, 201, 'the next one may begin')
})

t.test('no lease expires for one lease period after a start', async (t) => {
  const { id } = await create(registry, p1)
  const operation = upload(id)
  await begin(operation)
  await query(`UPDATE operations SET lease_until = now() - interval '1 hour' WHERE id = $1`, [
    operation.id
  ])
  const restarted = await openRegistry(t, {
    databaseUrl: registry.url,
    leaseSeconds: 3,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05
  })
  const restartedWorker = createWorker(restarted)
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.equal(await statusOf(id), 'saving')
  await until(async () => (await restartedWorker.statusOf(id)) === 'queued')
})

t.test('release ends what a dead worker left', async (t) => {
  const mine = await create(registry, p1)
  const other = await create(registry, p1)
  const left = upload(mine.id, { worker: 'box/7/one' })
  const kept = upload(other.id, { worker: 'box/77/two' })
  await begin(left)
  await begin(kept)
  const answer = await call(admin, 'POST', '/operations/release', { worker_prefix: 'box/7/' })
  t.match(answer, { status: 200, json: { released: 1 } })
  t.equal(await statusOf(mine.id), 'queued')
  t.equal(await statusOf(other.id), 'saving')
  t.equal((await call(admin, 'POST', '/operations/release', { worker_prefix: '' })).status, 400)
})

t.test('staged data is shown by its size only, and is replaced by an import', async (t) => {
  const { id } = await create(registry, p1)
  const stage = upload(id, {
    kind: 'stage',
    to: 'uploading',
    placement: { id: randomUUID(), store: 'stage', key: randomUUID(), role: 'staged' }
  })
  await begin(stage)
  const staged = await act(stage, 'finish', finished(stage, 6, 'uploading'))
  t.match(staged.json, { status: 'uploading', size: 6, checksum: null, os_hash_value: null })
  t.notOk(Object.hasOwn(staged.json, 'stores'))
  t.strictSame((await call(p1, 'GET', `/images/${id}/data`)).json.placements, [])
  const imported = upload(id, {
    kind: 'import',
    from: ['uploading'],
    to: 'importing',
    fallback: 'uploading'
  })
  await begin(imported)
  t.equal((await abandon(imported)).status, 204)
  t.match((await call(p1, 'GET', `/images/${id}`)).json, { status: 'uploading', size: 6 })
  const retried = { ...imported, id: randomUUID(), attempt: randomUUID(), blob_id: randomUUID() }
  const again = { ...retried, placement: { ...imported.placement, id: randomUUID(), key: 'k2' } }
  t.equal((await begin(again)).status, 201)
  const active = await act(again, 'finish', finished(again, 6))
  t.match(active.json, { status: 'active', stores: 'main' })
  t.equal((await claim('stage'))[0]?.key, stage.placement.key, 'the staged bytes are garbage')
})
