import { randomUUID } from 'node:crypto'
import t from 'tap'
import { copyTo, createJobs, facts, type Worker } from './background.ts'
import { create, createActive, openRegistry, type TestCaller, until, upload } from './registry.ts'
import { createWorker } from './worker.ts'

const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry
const jobs = createJobs(registry)
const worker = createWorker(registry)
const ALL = ['main', 'b', 'c']

/** A worker with work, or the test fails. */
function held(job: Worker | null): Worker {
  if (job === null) throw new Error('nothing to claim')
  return job
}

t.test('STO5 a copy from request to end', async (t) => {
  const image = await createActive(registry, { project: 'copy' }, 10)
  const request = copyTo(image.id, 'b')
  t.equal((await jobs.enqueue(request)).status, 204)
  t.equal((await jobs.enqueue(request)).status, 204, 'idempotent by its id')
  t.match(await jobs.image(image.id), { status: 'active', os_glance_import_task: request.id })
  t.match(await worker.usage('copy'), { stored_bytes: 10, reserved_bytes: 10, uploads: 1 })
  t.match(await jobs.tasks(image.id), [
    { id: request.id, type: 'api_image_import', status: 'pending', message: '', expires_at: null }
  ])
  t.equal(await jobs.claim(['main']), null, 'a worker without the target store')
  t.equal(await jobs.claim(['b']), null, 'a worker without the source store')
  const attempt = randomUUID()
  const job = held(await jobs.claim(ALL, attempt))
  t.match(job, {
    id: request.id,
    kind: 'copy',
    image_id: image.id,
    tries: 1,
    targets: [{ store: 'b', state: 'waiting' }],
    placement: null,
    project: 'ops',
    user: 'root',
    lease_ms: 30_000
  })
  t.same(held(await jobs.claim(ALL, attempt)), job, 'idempotent by its attempt')
  t.equal(await jobs.claim(ALL), null, 'handed out once')
  t.match(await jobs.image(image.id), {
    os_glance_importing_to_stores: 'b',
    os_glance_failed_import: ''
  })
  const placement = await jobs.begin(job, 'b')
  t.equal((await jobs.act(job, 'placements', { attempt, placement })).status, 204, 'idempotent')
  t.equal((await jobs.act(job, 'heartbeat', { attempt, progress: 3 << 20 })).status, 200)
  t.match(await jobs.tasks(image.id), [{ status: 'processing', message: 'Copied 3 MiB' }])
  for (let n = 0; n < 2; n++) {
    t.equal((await jobs.stored(job, placement, facts(10))).status, 204, `stored ${n}`)
  }
  t.match(await jobs.image(image.id), { stores: 'main', os_glance_importing_to_stores: '' })
  for (let n = 0; n < 2; n++) t.equal((await jobs.complete(job)).status, 204, `complete ${n}`)
  const after = await jobs.image(image.id)
  t.match(after, { status: 'active', stores: 'b,main', os_hash_value: 'ab'.repeat(32) })
  t.match(after, { os_glance_importing_to_stores: '', os_glance_failed_import: '' })
  t.notOk(Object.hasOwn(after, 'os_glance_import_task'))
  t.match(await worker.usage('copy'), { stored_bytes: 20, reserved_bytes: 0, uploads: 0 }, 'QTA6')
  const { placements } = (await call(admin, 'GET', `/images/${image.id}/data`)).json
  t.match(placements, [{ store: 'main' }, { ...placement }])
  t.match(await jobs.tasks(image.id), [{ status: 'success', message: '', owner: 'ops' }])
  t.equal((await jobs.enqueue(copyTo(image.id, 'b'))).json.code, 'INVALID_REQUEST', 'I11')
})

t.test('two copies to the same store: of 20 requests one is taken', async (t) => {
  const image = await createActive(registry, { project: 'twenty' }, 3)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => jobs.enqueue(copyTo(image.id, 'b')))
  )
  t.equal(answers.filter(({ status }) => status === 204).length, 1)
  t.equal(answers.filter(({ json }) => json.code === 'IMAGE_BUSY').length, 19)
  const job = held(await jobs.claim(ALL))
  t.equal((await jobs.stored(job, await jobs.begin(job, 'b'), facts(3))).status, 204)
  await jobs.complete(job)
  t.match(await worker.usage('twenty'), { stored_bytes: 6, reserved_bytes: 0, uploads: 0 })
})

t.test('IMP22 of 20 workers each gets another of 20 copies', async (t) => {
  const images = await Promise.all(
    Array.from({ length: 20 }, () => createActive(registry, { project: 'many' }, 1))
  )
  await Promise.all(images.map(({ id }) => jobs.enqueue(copyTo(id, 'c'))))
  const claims = await Promise.all(Array.from({ length: 20 }, () => jobs.claim(ALL)))
  const ids = new Set(claims.map((job) => job?.image_id))
  ids.delete(undefined)
  t.equal(ids.size, claims.filter((job) => job !== null).length, 'no image twice')
  for (let job = await jobs.claim(ALL); job !== null; job = await jobs.claim(ALL)) {
    t.notOk(ids.has(job.image_id))
    ids.add(job.image_id)
  }
  t.equal(ids.size, 20, 'none is lost')
})

t.test('STO4 STO7 a store that fails takes the others back, or is listed', async (t) => {
  const whole = await createActive(registry, { project: 'fail' }, 5)
  await jobs.enqueue(copyTo(whole.id, 'b', 'c'))
  const job = held(await jobs.claim(ALL))
  const done = await jobs.begin(job, 'b')
  await jobs.stored(job, done, facts(5))
  t.match(await jobs.image(whole.id), { os_glance_importing_to_stores: 'c', stores: 'main' })
  await jobs.begin(job, 'c')
  t.equal((await jobs.failed(job, 'c')).status, 204)
  await jobs.complete(job)
  t.match(await jobs.image(whole.id), {
    status: 'active',
    stores: 'main',
    os_glance_importing_to_stores: '',
    os_glance_failed_import: 'c'
  })
  t.match(await jobs.tasks(whole.id), [{ status: 'failure', message: 'no room in c' }])
  t.match(await worker.usage('fail'), { stored_bytes: 10, reserved_bytes: 0, uploads: 0 })
  const garbage = [...(await worker.claim('b')), ...(await worker.claim('c'))]
  t.ok(
    garbage.some(({ key }) => key === done.key),
    'what was written is collected'
  )
  for (const each of garbage) await worker.deleted(each)
  t.match(await worker.usage('fail'), { stored_bytes: 5 })

  const part = await createActive(registry, { project: 'part' }, 5)
  await jobs.enqueue({ ...copyTo(part.id, 'b', 'c'), must_succeed: false })
  const second = held(await jobs.claim(ALL))
  await jobs.stored(second, await jobs.begin(second, 'b'), facts(5))
  t.match(await jobs.image(part.id), { stores: 'b,main' }, 'shown at once')
  t.match(await worker.usage('part'), { stored_bytes: 10, reserved_bytes: 5 })
  await jobs.failed(second, 'c')
  await jobs.complete(second)
  t.match(await jobs.image(part.id), { stores: 'b,main', os_glance_failed_import: 'c' })
  t.match(await jobs.tasks(part.id), [{ status: 'success' }])
  t.match(await worker.usage('part'), { stored_bytes: 10, reserved_bytes: 0, uploads: 0 })
})

t.test('S-13 other bytes never become a copy', async (t) => {
  const image = await createActive(registry, { project: 'other' }, 5)
  await jobs.enqueue(copyTo(image.id, 'b'))
  const job = held(await jobs.claim(ALL))
  const placement = await jobs.begin(job, 'b')
  for (const wrong of [facts(5, 'ff'.repeat(32)), facts(6)]) {
    const answer = await jobs.stored(job, placement, wrong)
    t.match(answer, { status: 409, json: { code: 'IMAGE_STATE' } })
  }
  await jobs.complete(job)
  t.match(await jobs.image(image.id), { stores: 'main', os_glance_failed_import: 'b' })
})

t.test('fencing: another attempt can do nothing', async (t) => {
  const image = await createActive(registry, { project: 'fence' }, 1)
  await jobs.enqueue(copyTo(image.id, 'b'))
  const job = held(await jobs.claim(ALL))
  const placement = await jobs.begin(job, 'b')
  const zombie = { ...job, attempt: randomUUID() }
  const late = { id: randomUUID(), store: 'b', key: randomUUID(), role: 'data' as const }
  for (const answer of [
    await jobs.act(zombie, 'placements', { attempt: zombie.attempt, placement: late }),
    await jobs.stored(zombie, placement, facts(1)),
    await jobs.failed(zombie, 'b'),
    await jobs.complete(zombie),
    await jobs.act(zombie, 'heartbeat', { attempt: zombie.attempt, progress: 1 })
  ]) {
    t.match(answer, { status: 410, json: { code: 'OPERATION_GONE' } })
  }
  const foreign = await jobs.act(job, 'placements', {
    attempt: job.attempt,
    placement: { ...late, store: 'c' }
  })
  t.equal(foreign.json.code, 'INVALID_REQUEST', 'only to stores that were asked for')
  await jobs.act(job, 'abandon', { attempt: job.attempt, reason: 'enough' })
  t.match(await jobs.tasks(image.id), [{ status: 'failure', message: 'enough' }])
})

t.test('a worker that died: another one goes on, but not for ever', async (t) => {
  const quick = await openRegistry(t, {
    leaseSeconds: 2,
    heartbeatSeconds: 0.1,
    sweepSeconds: 0.05,
    background: { tries: 2 }
  })
  const quickJobs = createJobs(quick)
  const quickWorker = createWorker(quick)
  const image = await createActive(quick, { project: 'dead' }, 7)
  await quickJobs.enqueue(copyTo(image.id, 'b', 'c'))
  const dead = held(await quickJobs.claim(ALL))
  const kept = await quickJobs.begin(dead, 'b')
  await quickJobs.stored(dead, kept, facts(7))
  const left = await quickJobs.begin(dead, 'c')
  let next: Worker | null = null
  await until(async () => {
    next = await quickJobs.claim(ALL)
    return next !== null
  })
  const heir = held(next)
  t.match(heir, {
    tries: 2,
    targets: [
      { store: 'b', state: 'stored' },
      { store: 'c', state: 'waiting' }
    ]
  })
  t.equal((await quickWorker.claim('c'))[0]?.key, left.key, 'half a copy is collected')
  t.strictSame(await quickWorker.claim('b'), [], 'a whole one is kept')
  const zombie = await quickJobs.stored(dead, left, facts(7))
  t.match(zombie, { status: 410, json: { code: 'OPERATION_GONE' } }, 'the dead one is refused')
  const changes = await quick.query(`SELECT type FROM changes WHERE image_id = $1`, [image.id])
  t.ok(changes.some(({ type }) => type === 'operation.requeue'))
  await until(async () => (await quickJobs.tasks(image.id))[0]?.status === 'failure')
  t.match(await quickJobs.tasks(image.id), [{ message: 'given up after 2 tries: lease expired' }])
  t.match(await quickJobs.image(image.id), {
    status: 'active',
    stores: 'main',
    os_glance_failed_import: 'b,c'
  })
  t.equal(await quickJobs.claim(ALL), null)
  t.equal((await quickWorker.claim('b'))[0]?.key, kept.key)
})

t.test('a worker that stops gives its work back; a released one loses it', async (t) => {
  const image = await createActive(registry, { project: 'back' }, 1)
  await jobs.enqueue(copyTo(image.id, 'b'))
  for (let n = 0; n < 5; n++) {
    const job = held(await jobs.claim(ALL))
    t.equal(job.tries, 1, 'a try that was not used up')
    await jobs.begin(job, 'b')
    await jobs.act(job, 'abandon', { attempt: job.attempt, reason: 'stopping', again: true })
  }
  t.match(await jobs.tasks(image.id), [{ status: 'pending' }])
  const job = held(await jobs.claim(ALL, randomUUID(), 'gone/9/x'))
  await call(admin, 'POST', '/operations/release', { worker_prefix: 'gone/' })
  t.equal((await jobs.complete(job)).json.code, 'OPERATION_GONE')
  t.equal(held(await jobs.claim(ALL)).tries, 2)
})

t.test('DEL6 delete while a copy waits, and while it runs', async (t) => {
  const waiting = await createActive(registry, { project: 'del' }, 4)
  await jobs.enqueue(copyTo(waiting.id, 'b'))
  t.equal((await call(admin, 'DELETE', `/images/${waiting.id}`)).status, 204)
  t.equal(await jobs.claim(ALL), null, 'nothing is left to do')
  const running = await createActive(registry, { project: 'del' }, 4)
  const request = copyTo(running.id, 'b', 'c')
  await jobs.enqueue(request)
  const job = held(await jobs.claim(ALL))
  const ready = await jobs.begin(job, 'b')
  await jobs.stored(job, ready, facts(4))
  const half = await jobs.begin(job, 'c')
  await call(admin, 'DELETE', `/images/${running.id}`)
  t.equal((await jobs.stored(job, half, facts(4))).json.code, 'IMAGE_GONE')
  t.equal((await jobs.complete(job)).json.code, 'IMAGE_GONE')
  t.match((await call(admin, 'GET', `/operations/${request.id}`)).json, {
    state: 'failure',
    error: 'image deleted'
  })
  const garbage = (await Promise.all(ALL.map((store) => worker.claim(store)))).flat()
  for (const { key } of [ready, half]) t.ok(garbage.some((each) => each.key === key))
  for (const each of garbage) await worker.deleted(each)
  t.match(await worker.usage('del'), {
    images: 0,
    stored_bytes: 0,
    reserved_bytes: 0,
    uploads: 0
  })
})

t.test('QTA2 QTA6 copies need room for each store', async (t) => {
  const small = await openRegistry(t, { quotas: { bytes: 25 } })
  const smallJobs = createJobs(small)
  const image = await createActive(small, { project: 'P1' }, 10)
  const two = await smallJobs.enqueue(copyTo(image.id, 'b', 'c'))
  t.match(two, {
    status: 413,
    json: { detail: 'image_size_total is over limit of 25 due to current usage 10 and delta 20' }
  })
  t.strictSame(await smallJobs.tasks(image.id), [], 'nothing was begun')
  t.notOk(Object.hasOwn(await smallJobs.image(image.id), 'os_glance_import_task'))
  t.equal((await smallJobs.enqueue(copyTo(image.id, 'b'))).status, 204)
})

t.test('QTA2 a copy of an image that was given away counts for who has it now', async (t) => {
  const small = await openRegistry(t, { quotas: { bytes: 25 } })
  const smallJobs = createJobs(small)
  const image = await createActive(small, { project: 'P1' }, 10)
  await createActive(small, { project: 'P2' }, 10)
  await smallJobs.enqueue({ ...copyTo(image.id, 'b'), must_succeed: false })
  const job = held(await smallJobs.claim(ALL))
  const placement = await smallJobs.begin(job, 'b')
  const path = `/images/${image.id}`
  const etag = (await small.call(admin, 'GET', path)).headers.etag
  const given = await small.call(admin, 'PATCH', path, { owner: 'P2' }, { 'if-match': `${etag}` })
  t.equal(given.status, 200)
  t.match(await smallJobs.stored(job, placement, facts(10)), {
    status: 413,
    json: { detail: 'image_size_total is over limit of 25 due to current usage 20 and delta 10' }
  })
  await smallJobs.failed(job, 'b')
  await smallJobs.complete(job)
  t.match(await smallJobs.image(image.id), { owner: 'P2', stores: 'main' })
  t.match(await createWorker(small).usage('P2'), { stored_bytes: 20, reserved_bytes: 0 })
})

t.test('I8 IMP13 IMP14 the lock: one at a time, taken over when nothing moves', async (t) => {
  const stale = await openRegistry(t, { background: { staleSeconds: 2 } })
  const staleJobs = createJobs(stale)
  const image = await createActive(stale, { project: 'P1' }, 1)
  const first = copyTo(image.id, 'b')
  await staleJobs.enqueue(first)
  const job = held(await staleJobs.claim(ALL))
  t.equal((await staleJobs.enqueue(copyTo(image.id, 'c'))).json.code, 'IMAGE_BUSY')
  t.equal((await call(admin, 'GET', `/images/${image.id}`)).status, 404, 'a database of its own')
  const second = copyTo(image.id, 'c')
  await until(async () => (await staleJobs.enqueue(second)).status === 204)
  t.match(
    new Map((await staleJobs.tasks(image.id)).map(({ id, ...task }) => [id, task])),
    new Map([
      [first.id, { status: 'failure', message: 'Expired lock preempted' }],
      [second.id, { status: 'pending' }]
    ])
  )
  t.equal((await staleJobs.complete(job)).json.code, 'OPERATION_GONE')
  t.match(await staleJobs.image(image.id), { os_glance_import_task: second.id })
  const busy = upload(image.id, { from: ['active'], to: null, fallback: 'active' })
  const begun = await stale.call({ project: 'P1' }, 'POST', '/operations', busy)
  t.equal(begun.json.code, 'IMAGE_BUSY', 'uploads and copies share the lock')
})

t.test('IMP16 tasks are for the project that asked, and for administrators', async (t) => {
  const image = await createActive(registry, { project: 'own' }, 1, { visibility: 'public' })
  await jobs.enqueue(copyTo(image.id, 'b'), { project: 'own', user: 'ann' })
  t.match(await jobs.tasks(image.id, { project: 'own' }), [{ owner: 'own', user_id: 'ann' }])
  t.strictSame(await jobs.tasks(image.id, { project: 'x' }), [])
  t.equal((await jobs.tasks(image.id)).length, 1)
  const secret = await create(registry, { project: 'own' }, { visibility: 'private' })
  const hidden = await call({ project: 'x' }, 'GET', `/images/${secret.id}/tasks`)
  t.equal(hidden.json.code, 'IMAGE_NOT_FOUND')
  held(await jobs.claim(ALL))
  await query(
    `UPDATE operations SET state = 'failure', ended_at = now() - interval '47 hours'
      WHERE image_id = $1`,
    [image.id]
  )
  const [task] = await jobs.tasks(image.id)
  t.match(task?.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  await query(`UPDATE operations SET ended_at = now() - interval '49 hours' WHERE image_id = $1`, [
    image.id
  ])
  t.strictSame(await jobs.tasks(image.id), [], 'forgotten')
})

t.test('enqueue checks state, sight and form (S-52)', async (t) => {
  const queued = await create(registry, { project: 'P1' }, { visibility: 'private' })
  t.equal((await jobs.enqueue(copyTo(queued.id, 'b'))).json.code, 'IMAGE_STATE')
  const foreign = await jobs.enqueue(copyTo(queued.id, 'b'), { project: 'P2' })
  t.equal(foreign.json.code, 'IMAGE_NOT_FOUND')
  const image = await createActive(registry, { project: 'P1' }, 1)
  for (const bad of [
    { stores: [] },
    { stores: ['b', 'b'] },
    { kind: 'upload' },
    { to: 'active' },
    { fallback: 'killed' },
    { kind: 'location' },
    { input: 'x' },
    { extra: 1 }
  ]) {
    const answer = await call(admin, 'POST', '/operations/enqueue', {
      ...copyTo(image.id, 'b'),
      ...bad
    })
    t.equal(answer.status, 400, JSON.stringify(bad))
  }
  t.strictSame(await jobs.tasks(image.id), [])
})
