import { randomUUID } from 'node:crypto'
import type { BeginOperation, Change, GarbagePlacement } from '@tank/model'
import pg from 'pg'
import t from 'tap'
import {
  create,
  createActive,
  finished,
  openRegistry,
  type TestCaller,
  type TestRegistry,
  until,
  upload
} from './registry.ts'

const p1 = { project: 'P1', user: 'ann' }
const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry

const begin = (operation: BeginOperation, caller: TestCaller = p1, on = registry) =>
  on.call(caller, 'POST', '/operations', operation)
const act = (
  operation: BeginOperation,
  action: 'heartbeat' | 'finish' | 'abandon',
  body: object,
  on: TestRegistry = registry
) => on.call(p1, 'POST', `/operations/${operation.id}/${action}`, body)
const abandon = (operation: BeginOperation, on = registry) =>
  act(operation, 'abandon', { attempt: operation.attempt, reason: 'test' }, on)
const statusOf = async (id: string, on = registry) =>
  (await on.call(admin, 'GET', `/images/${id}`)).json.status
const usage = async (project: string, on = registry) =>
  (await on.call(admin, 'GET', `/usage/${project}`)).json
const claim = async (store: string, on = registry) =>
  (await on.call(admin, 'POST', '/garbage/claim', { stores: [store], limit: 100 })).json
    .garbage as GarbagePlacement[]
const deleted = (garbage: GarbagePlacement, on = registry) =>
  on.call(admin, 'POST', `/garbage/${garbage.id}/deleted`, { claim: garbage.claim })

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
    leaseSeconds: 0.4,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05
  })
  const { id } = await create(short, p1)
  const alive = await create(short, p1)
  const dead = upload(id, { store: 'exp', reserve: 11 })
  const live = upload(alive.id)
  await begin(dead, p1, short)
  await begin(live, p1, short)
  await until(async () => {
    const beat = await act(live, 'heartbeat', { attempt: live.attempt, progress: 1 }, short)
    if (beat.status !== 200) throw new Error('a live operation was ended')
    return (await statusOf(id, short)) === 'queued'
  })
  t.equal(await statusOf(alive.id, short), 'saving', 'a live one goes on')
  const row = await short.call(admin, 'GET', `/operations/${dead.id}`)
  t.match(row.json, { state: 'failure', error: 'lease expired', lease_until: null })
  const late = await act(dead, 'finish', finished(dead, 11), short)
  t.match(late, { status: 410, json: { code: 'OPERATION_GONE' } })
  const beat = await act(dead, 'heartbeat', { attempt: dead.attempt, progress: 2 }, short)
  t.equal(beat.status, 410)
  t.match(await usage('P1', short), { stored_bytes: 11, uploads: 1 }, 'its bytes may be there')
  t.equal((await claim('exp', short))[0]?.key, dead.placement.key)
  t.equal((await begin(upload(id), p1, short)).status, 201, 'the next one may begin')
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
    leaseSeconds: 1,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.equal(await statusOf(id), 'saving')
  await until(async () => (await statusOf(id, restarted)) === 'queued')
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

t.test('garbage is handed out again, and then removed', async (t) => {
  const quick = await openRegistry(t, {
    leaseSeconds: 0.3,
    heartbeatSeconds: 0.1,
    garbageGraceSeconds: 0.6
  })
  const image = await createActive(quick, p1, 8)
  t.strictSame(await claim('main', quick), [], 'nothing yet')
  await quick.call(p1, 'DELETE', `/images/${image.id}`)
  t.match(await usage('P1', quick), { images: 0, stored_bytes: 8 }, 'bytes stay until deleted')
  const counts = await quick.call(admin, 'GET', '/garbage?store=main')
  t.strictSame(counts.json.garbage, [{ store: 'main', placements: 1, bytes: 8 }])
  t.strictSame(await claim('elsewhere', quick), [])
  const [first] = await claim('main', quick)
  t.strictSame(await claim('main', quick), [], 'one collector at a time')
  if (first === undefined) throw new Error('no garbage')
  t.equal((await deleted({ ...first, claim: randomUUID() }, quick)).status, 204)
  t.match(await usage('P1', quick), { stored_bytes: 8 }, 'another claim has no effect')
  t.equal((await deleted(first, quick)).status, 204)
  t.equal((await deleted(first, quick)).status, 204, 'idempotent')
  t.match(await usage('P1', quick), { stored_bytes: 0 })
  t.strictSame(await claim('main', quick), [], 'not again before a lease period')
  let rounds = 0
  await until(async () => {
    const [again] = await claim('main', quick)
    if (again !== undefined) {
      t.equal(again.key, first.key)
      rounds++
      await deleted(again, quick)
    }
    const { garbage } = (await quick.call(admin, 'GET', '/garbage')).json
    return (garbage as unknown[]).length === 0
  })
  t.ok(rounds >= 2, `handed out ${rounds} times more`)
  t.strictSame(
    await quick.query('SELECT id FROM blobs'),
    [],
    'the blob went with its last placement'
  )
  t.match(await usage('P1', quick), { stored_bytes: 0 })
})

t.test('concurrent collectors never get the same placement', async (t) => {
  for (let n = 0; n < 30; n++) {
    const { id } = await create(registry, p1)
    const operation = upload(id, { store: 'many' })
    await begin(operation)
    await abandon(operation)
  }
  const claims = await Promise.all(
    Array.from({ length: 10 }, () =>
      call(admin, 'POST', '/garbage/claim', { stores: ['many'], limit: 7 })
    )
  )
  const keys = claims.flatMap(({ json }) => (json.garbage as GarbagePlacement[]).map((g) => g.key))
  t.equal(keys.length, 30)
  t.equal(new Set(keys).size, 30)
})

t.test('QTA1 QTA2 quotas name limit, usage and delta', async (t) => {
  const small = await openRegistry(t, { quotas: { images: 2, bytes: 10, uploads: 1 } })
  const image = await createActive(small, p1, 6)
  const second = await create(small, p1)
  const third = await small.call(p1, 'POST', '/images', {
    id: randomUUID(),
    create_token: 'x'
  })
  t.match(third, {
    status: 413,
    json: {
      code: 'QUOTA_EXCEEDED',
      detail: 'image_count_total is over limit of 2 due to current usage 2 and delta 1'
    }
  })
  t.equal((await create(small, { project: 'P2' })).owner, 'P2', 'each project has its own')
  const large = await begin(upload(second.id, { reserve: 5 }), p1, small)
  t.match(large, {
    status: 413,
    json: { detail: 'image_size_total is over limit of 10 due to current usage 6 and delta 5' }
  })
  t.equal(await statusOf(second.id, small), 'queued', 'nothing was changed')
  const unknown = upload(second.id)
  t.equal((await begin(unknown, p1, small)).status, 201)
  const { attempt } = unknown
  t.equal((await act(unknown, 'heartbeat', { attempt, progress: 4 }, small)).status, 200)
  const beat = await act(unknown, 'heartbeat', { attempt, progress: 5 }, small)
  t.match(beat, { status: 413, json: { code: 'QUOTA_EXCEEDED' } }, 'QTA3 never exceeded')
  const over = await act(unknown, 'finish', finished(unknown, 5), small)
  t.match(over, {
    status: 413,
    json: { detail: 'image_size_total is over limit of 10 due to current usage 6 and delta 5' }
  })
  t.equal(await statusOf(second.id, small), 'saving', 'the worker abandons it')
  await abandon(unknown, small)
  t.match(await usage('P1', small), { stored_bytes: 6, reserved_bytes: 0, uploads: 0 })
  await small.call(p1, 'DELETE', `/images/${image.id}`)
  const still = await begin(upload(second.id, { reserve: 5 }), p1, small)
  t.equal(still.status, 413, 'the store has not deleted it yet')
  for (const garbage of await claim('main', small)) await deleted(garbage, small)
  const free = upload(second.id, { reserve: 10 })
  t.equal((await begin(free, p1, small)).status, 201, 'QTA2 after delete')
  const next = await create(small, p1)
  const busy = await begin(upload(next.id), p1, small)
  t.match(
    busy,
    {
      status: 413,
      json: {
        detail: 'image_count_uploading is over limit of 1 due to current usage 1 and delta 1'
      }
    },
    'QTA5'
  )
  t.equal((await act(free, 'finish', finished(free, 10), small)).status, 200, 'exactly full')
})

t.test('quotas are exact under 200 parallel requests', async (t) => {
  const exact = await openRegistry(t, { quotas: { images: 60, bytes: 500, uploads: 40 } })
  const second = await openRegistry(t, {
    databaseUrl: exact.url,
    quotas: { images: 60, bytes: 500, uploads: 40 }
  })
  const both = [exact, second]
  const pick = (n: number) => both[n % 2] ?? exact
  const created = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      pick(n).call(p1, 'POST', '/images', { id: randomUUID(), create_token: 't' })
    )
  )
  const images = created.filter(({ status }) => status === 201).map(({ json }) => String(json.id))
  t.equal(images.length, 60)
  t.equal(created.filter(({ json }) => json.code === 'QUOTA_EXCEEDED').length, 140)
  t.match(await usage('P1', exact), { images: 60 })
  const operations = images.map((id) => upload(id, { reserve: 16 }))
  const begun = await Promise.all(operations.map((o, n) => begin(o, p1, pick(n))))
  t.equal(begun.filter(({ status }) => status === 201).length, 31, '31 x 16 bytes fit into 500')
  t.match(await usage('P1', exact), { reserved_bytes: 496, uploads: 31 })
  const running = operations.filter((_, n) => begun[n]?.status === 201)
  await Promise.all(running.map((o, n) => act(o, 'finish', finished(o, 16), pick(n))))
  t.match(await usage('P1', exact), { stored_bytes: 496, reserved_bytes: 0, uploads: 0 })
  await Promise.all(images.map((id, n) => pick(n).call(p1, 'DELETE', `/images/${id}`)))
  for (const garbage of await claim('main', exact)) await deleted(garbage, exact)
  t.match(await usage('P1', exact), { images: 0, stored_bytes: 0, reserved_bytes: 0, uploads: 0 })
})

t.test('unlimited creates keep an exact count, too', async (t) => {
  const project = { project: 'unlimited' }
  await Promise.all(Array.from({ length: 100 }, () => create(registry, project)))
  t.match(await usage('unlimited'), { images: 100 })
})

t.test('changes: every state change, and no late commit is skipped', async (t) => {
  const fresh = await openRegistry(t)
  const read = async (after: string, limit = 1000) =>
    (await fresh.call(admin, 'GET', `/changes?after=${after}&limit=${limit}`)).json as unknown as {
      changes: Change[]
      next: string
    }
  const start = (await fresh.call(admin, 'GET', '/changes')).json
  t.strictSame(start, { changes: [], next: '0:0' })
  const image = await createActive(fresh, { ...p1, user: 'Zoë' }, 3)
  const seen = await read('0:0')
  t.strictSame(
    seen.changes.map((change) => change.type),
    ['image.create', 'operation.begin', 'operation.finish']
  )
  t.match(seen.changes[0], { image_id: image.id, actor: 'Zoë', project: 'P1', request_id: /^req-/ })
  t.match(seen.changes[2]?.detail, { status: 'active', size: 3, sha256: 'ab'.repeat(32) })
  const client = new pg.Client({ connectionString: fresh.url })
  await client.connect()
  await client.query('BEGIN')
  await client.query(`INSERT INTO changes (image_id, type) VALUES ($1, 'late')`, [image.id])
  await fresh.call(p1, 'DELETE', `/images/${image.id}`)
  const during = await read(seen.next)
  t.strictSame(during, { changes: [], next: seen.next }, 'waits for the older transaction')
  await client.query('COMMIT')
  await client.end()
  const after = await read(seen.next)
  t.strictSame(
    after.changes.map((change) => change.type),
    ['late', 'image.delete']
  )
  t.match(after.changes[1]?.detail, { status: 'deleted', sha256: 'ab'.repeat(32) })
  const paged: Change[] = []
  for (let cursor = '0:0'; ; ) {
    const page = await read(cursor, 2)
    if (page.changes.length === 0) break
    paged.push(...page.changes)
    cursor = page.next
  }
  t.strictSame(paged, [...seen.changes, ...after.changes])
  for (const bad of ['after=x', 'after=1', 'after=99999999999999999999:1', 'limit=0', 'limit=x']) {
    t.equal((await fresh.call(admin, 'GET', `/changes?${bad}`)).status, 400, bad)
  }
})
