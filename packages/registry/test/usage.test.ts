import { randomUUID } from 'node:crypto'
import type { Change, GarbagePlacement } from '@tank/model'
import pg from 'pg'
import t from 'tap'
import {
  changesUpTo,
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
const { call } = registry
const { begin, abandon, usage } = createWorker(registry)

t.test('orphans are keys of a store that no record names', async (t) => {
  const operation = upload((await create(registry, p1)).id)
  t.equal((await begin(operation, p1)).status, 201)
  const { key, store } = operation.placement
  const ask = async (store: string) =>
    (await call(admin, 'POST', '/garbage/orphans', { store, keys: [key, 'nobody-s'] })).json
  t.strictSame(await ask(store), { orphans: ['nobody-s'] }, 'a running upload has its record')
  t.strictSame(await ask('elsewhere'), { orphans: [key, 'nobody-s'] })
  await abandon(operation)
  t.strictSame(await ask(store), { orphans: ['nobody-s'] }, 'garbage is the collector’s')
})

t.test('garbage is handed out again, and then removed', async (t) => {
  const quick = await openRegistry(t, {
    leaseSeconds: 2,
    heartbeatSeconds: 0.1,
    garbageGraceSeconds: 6
  })
  const quickWorker = createWorker(quick)
  const image = await createActive(quick, p1, 8)
  t.strictSame(await quickWorker.claim('main'), [], 'nothing yet')
  await quick.call(p1, 'DELETE', `/images/${image.id}`)
  t.match(await quickWorker.usage('P1'), { images: 0, stored_bytes: 8 }, 'bytes stay until deleted')
  const counts = await quick.call(admin, 'GET', '/garbage?store=main')
  t.strictSame(counts.json.garbage, [{ store: 'main', placements: 1, bytes: 8 }])
  t.strictSame(await quickWorker.claim('elsewhere'), [])
  const [first] = await quickWorker.claim('main')
  t.strictSame(await quickWorker.claim('main'), [], 'one collector at a time')
  if (first === undefined) throw new Error('no garbage')
  t.equal((await quickWorker.deleted({ ...first, claim: randomUUID() })).status, 204)
  t.match(await quickWorker.usage('P1'), { stored_bytes: 8 }, 'another claim has no effect')
  t.equal((await quickWorker.deleted(first)).status, 204)
  t.equal((await quickWorker.deleted(first)).status, 204, 'idempotent')
  t.match(await quickWorker.usage('P1'), { stored_bytes: 0 })
  t.strictSame(await quickWorker.claim('main'), [], 'not again before a lease period')
  let rounds = 0
  await until(async () => {
    const [again] = await quickWorker.claim('main')
    if (again !== undefined) {
      t.equal(again.key, first.key)
      rounds++
      await quickWorker.deleted(again)
    }
    const { garbage } = (await quick.call(admin, 'GET', '/garbage')).json
    return (garbage as unknown[]).length === 0
  })
  t.ok(rounds >= 1, `handed out ${rounds} times more`)
  t.strictSame(
    await quick.query('SELECT id FROM blobs'),
    [],
    'the blob went with its last placement'
  )
  t.match(await quickWorker.usage('P1'), { stored_bytes: 0 })
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
  const smallWorker = createWorker(small)
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
  const large = await smallWorker.begin(upload(second.id, { reserve: 5 }))
  t.match(large, {
    status: 413,
    json: { detail: 'image_size_total is over limit of 10 due to current usage 6 and delta 5' }
  })
  t.equal(await smallWorker.statusOf(second.id), 'queued', 'nothing was changed')
  const unknown = upload(second.id)
  t.equal((await smallWorker.begin(unknown)).status, 201)
  const { attempt } = unknown
  t.equal((await smallWorker.act(unknown, 'heartbeat', { attempt, progress: 4 })).status, 200)
  const beat = await smallWorker.act(unknown, 'heartbeat', { attempt, progress: 5 })
  t.match(beat, { status: 413, json: { code: 'QUOTA_EXCEEDED' } }, 'QTA3 never exceeded')
  const over = await smallWorker.act(unknown, 'finish', finished(unknown, 5))
  t.match(over, {
    status: 413,
    json: { detail: 'image_size_total is over limit of 10 due to current usage 6 and delta 5' }
  })
  t.equal(await smallWorker.statusOf(second.id), 'saving', 'the worker abandons it')
  await smallWorker.abandon(unknown)
  t.match(await smallWorker.usage('P1'), { stored_bytes: 6, reserved_bytes: 0, uploads: 0 })
  await small.call(p1, 'DELETE', `/images/${image.id}`)
  const still = await smallWorker.begin(upload(second.id, { reserve: 5 }))
  t.equal(still.status, 413, 'the store has not deleted it yet')
  for (const garbage of await smallWorker.claim('main')) await smallWorker.deleted(garbage)
  const free = upload(second.id, { reserve: 10 })
  t.equal((await smallWorker.begin(free)).status, 201, 'QTA2 after delete')
  const next = await create(small, p1)
  const busy = await smallWorker.begin(upload(next.id))
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
  t.equal((await smallWorker.act(free, 'finish', finished(free, 10))).status, 200, 'exactly full')
})

t.test('QTA1 an image that falls to killed is killed when its data is over quota', async (t) => {
  const small = await openRegistry(t, { quotas: { bytes: 10, uploads: 1 } })
  const worker = createWorker(small)
  const [running, ...others] = [
    await create(small, p1),
    await create(small, p1),
    await create(small, p1)
  ]
  const wish = { fallback: 'killed' } as const
  const [large, late] = others.map(({ id }) => id)
  const over = await worker.begin(upload(large ?? '', { ...wish, reserve: 11 }))
  t.match(over, { status: 413, json: { code: 'QUOTA_EXCEEDED' } })
  t.equal(await worker.statusOf(large ?? ''), 'killed')
  const first = upload(running.id, { ...wish, reserve: 1 })
  t.equal((await worker.begin(first)).status, 201)
  const refused = upload(late ?? '', { ...wish, reserve: 0 })
  t.match(await worker.begin(refused), { status: 413, json: { detail: /^image_count_uploading/ } })
  t.equal(await worker.statusOf(late ?? ''), 'killed')
  t.equal((await worker.begin(upload(running.id, wish))).status, 409)
  t.equal(await worker.statusOf(running.id), 'saving', 'what runs goes on')
  t.match(await worker.usage('P1'), { images: 3, stored_bytes: 0, reserved_bytes: 1, uploads: 1 })
  t.equal((await worker.act(first, 'finish', finished(first, 1))).status, 200)
})

t.test('quotas are exact under 200 parallel requests', async (t) => {
  const exact = await openRegistry(t, { quotas: { images: 60, bytes: 500, uploads: 40 } })
  const exactWorker = createWorker(exact)
  const second = await openRegistry(t, {
    databaseUrl: exact.url,
    quotas: { images: 60, bytes: 500, uploads: 40 }
  })
  const both = [exact, second]
  const pick = (n: number) => both[n % 2] ?? exact
  const worker = (n: number) => createWorker(pick(n))
  const created = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      pick(n).call(p1, 'POST', '/images', { id: randomUUID(), create_token: 't' })
    )
  )
  const images = created.filter(({ status }) => status === 201).map(({ json }) => String(json.id))
  t.equal(images.length, 60)
  t.equal(created.filter(({ json }) => json.code === 'QUOTA_EXCEEDED').length, 140)
  t.match(await exactWorker.usage('P1'), { images: 60 })
  const operations = images.map((id) => upload(id, { reserve: 16 }))
  const begun = await Promise.all(operations.map((o, n) => worker(n).begin(o)))
  t.equal(begun.filter(({ status }) => status === 201).length, 31, '31 x 16 bytes fit into 500')
  t.match(await exactWorker.usage('P1'), { reserved_bytes: 496, uploads: 31 })
  const running = operations.filter((_, n) => begun[n]?.status === 201)
  await Promise.all(running.map((o, n) => worker(n).act(o, 'finish', finished(o, 16))))
  t.match(await exactWorker.usage('P1'), { stored_bytes: 496, reserved_bytes: 0, uploads: 0 })
  await Promise.all(images.map((id, n) => pick(n).call(p1, 'DELETE', `/images/${id}`)))
  for (const garbage of await exactWorker.claim('main')) await exactWorker.deleted(garbage)
  t.match(await exactWorker.usage('P1'), {
    images: 0,
    stored_bytes: 0,
    reserved_bytes: 0,
    uploads: 0
  })
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
  const seen = await changesUpTo(fresh, 'operation.finish')
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
  const after = await changesUpTo(fresh, 'image.delete', `?after=${seen.next}`)
  t.strictSame(
    after.changes.map((change) => change.type),
    ['late', 'image.delete']
  )
  t.match(after.changes[1]?.detail, { status: 'deleted', sha256: 'ab'.repeat(32) })
  const paged: Change[] = []
  for (let cursor = '0:0'; paged.length < 5; ) {
    const page = await read(cursor, 2)
    paged.push(...page.changes)
    cursor = page.next
  }
  t.strictSame(paged, [...seen.changes, ...after.changes])
  for (const bad of ['after=x', 'after=1', 'after=99999999999999999999:1', 'limit=0', 'limit=x']) {
    t.equal((await fresh.call(admin, 'GET', `/changes?${bad}`)).status, 400, bad)
  }
})
