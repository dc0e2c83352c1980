import { randomUUID } from 'node:crypto'
import t from 'tap'
import { copyTo, createJobs, facts, locationOf, type Worker } from './background.ts'
import { create, createActive, openRegistry, type TestCaller, upload } from './registry.ts'
import { createWorker } from './worker.ts'

const p1: TestCaller = { project: 'P1', user: 'ann' }
const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call, query } = registry
const jobs = createJobs(registry)
const worker = createWorker(registry)

function held(job: Worker | null): Worker {
  if (job === null) throw new Error('nothing to claim')
  return job
}

/** An image of P1 in several stores. */
async function createIn(size: number, ...stores: string[]): Promise<string> {
  const { id } = await createActive(registry, p1, size)
  if (stores.length === 0) return id
  await jobs.enqueue(copyTo(id, ...stores))
  const job = held(await jobs.claim(['main', ...stores]))
  for (const store of stores) await jobs.stored(job, await jobs.begin(job, store), facts(size))
  await jobs.complete(job)
  return id
}

t.test('STO9 out of one store, never out of the last one', async (t) => {
  const id = await createIn(9, 'b')
  t.equal((await jobs.remove(id, 'c')).json.code, 'NOT_FOUND')
  t.equal((await jobs.remove(id, 'main')).status, 204)
  t.match(await jobs.image(id), { status: 'active', stores: 'b' })
  t.equal((await jobs.remove(id, 'b')).json.code, 'FORBIDDEN')
  t.equal((await jobs.remove(id, 'c')).json.code, 'FORBIDDEN', 'SD6 whichever was named')
  const { placements } = (await call(admin, 'GET', `/images/${id}/data`)).json
  t.match(placements, [{ store: 'b' }])
  t.match(await worker.usage('P1'), { stored_bytes: 18 }, 'counted until the store deleted it')
  for (const garbage of await worker.claim('main')) await worker.deleted(garbage)
  t.match(await worker.usage('P1'), { stored_bytes: 9 })
  t.equal((await call(admin, 'DELETE', `/images/${id}`)).status, 204)
})

t.test('STO10 only of active images that the caller sees', async (t) => {
  const { id } = await create(registry, p1, { visibility: 'private' })
  t.equal((await jobs.remove(id, 'main')).json.code, 'IMAGE_STATE')
  t.equal((await jobs.remove(id, 'main', { project: 'P2' })).json.code, 'IMAGE_NOT_FOUND')
  t.equal((await jobs.remove(randomUUID(), 'main')).json.code, 'IMAGE_NOT_FOUND')
})

t.test('SD6 20 removals at once leave one store', async (t) => {
  const stores = ['r1', 'r2', 'r3']
  const id = await createIn(2, ...stores)
  const all = ['main', ...stores]
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => jobs.remove(id, all[n % all.length] ?? 'main'))
  )
  t.equal(answers.filter(({ status }) => status === 204).length, 3)
  const { placements } = (await call(admin, 'GET', `/images/${id}/data`)).json
  t.equal((placements as unknown[]).length, 1)
})

t.test('a store is removed while a copy runs, and the copy goes on', async (t) => {
  const id = await createIn(2, 'b')
  await jobs.enqueue(copyTo(id, 'c'))
  const job = held(await jobs.claim(['main', 'b', 'c']))
  t.equal((await jobs.remove(id, 'c')).json.code, 'NOT_FOUND', 'not there yet')
  t.equal((await jobs.remove(id, 'main')).status, 204)
  t.equal((await jobs.remove(id, 'b')).json.code, 'FORBIDDEN', 'the copy does not count yet')
  await jobs.stored(job, await jobs.begin(job, 'c'), facts(2))
  await jobs.complete(job)
  t.match(await jobs.image(id), { stores: 'b,c' })
})

t.test('STO12 stores: the heavier first, then by name', async (t) => {
  const { id } = await create(registry, p1)
  const operation = upload(id)
  await worker.begin({ ...operation, placement: { ...operation.placement, weight: 5 } })
  const finish = { attempt: operation.attempt, status: 'active', blob: facts(1) }
  await worker.act(operation, 'finish', finish)
  await jobs.enqueue(copyTo(id, 'z', 'a', 'k'))
  const job = held(await jobs.claim(['main', 'z', 'a', 'k']))
  for (const [store, weight] of Object.entries({ z: 0, a: 0, k: 9 })) {
    const placement = { id: randomUUID(), store, key: randomUUID(), role: 'data', weight } as const
    await jobs.act(job, 'placements', { attempt: job.attempt, placement })
    await jobs.stored(job, placement, facts(1))
  }
  await jobs.complete(job)
  t.match(await jobs.image(id), { stores: 'k,main,a,z' })
})

t.test('LCA2 a location that is what it was said to be, and one that is not', async (t) => {
  const { id } = await create(registry, { project: 'loc' })
  const request = locationOf(id)
  t.equal((await jobs.enqueue(request, { project: 'loc' })).status, 204)
  t.match(await jobs.image(id), { status: 'queued', os_glance_import_task: request.id })
  t.equal((await jobs.enqueue(locationOf(id))).json.code, 'IMAGE_BUSY', 'LCA4 one at a time')
  t.equal((await worker.begin(upload(id), { project: 'loc' })).json.code, 'IMAGE_BUSY')
  t.equal(await jobs.claim(['main']), null, 'only for who has the store')
  const job = held(await jobs.claim(['web']))
  t.match(job, { placement: { store: 'web', key: 'http://example.test/x', role: 'external' } })
  t.match(await jobs.image(id), { status: 'importing' })
  const { attempt } = job
  await jobs.act(job, 'abandon', { attempt, reason: 'the digest differs' })
  const again = await jobs.image(id)
  t.match(again, { status: 'queued', size: null, checksum: null, os_hash_value: null })
  t.notOk(Object.hasOwn(again, 'os_glance_import_task'))
  t.match(await jobs.tasks(id), [{ type: 'location_import', status: 'failure' }])
  const [blobs] = await query('SELECT count(*)::int AS n FROM blobs WHERE id = $1', [
    request.location?.blob_id
  ])
  t.equal(blobs?.n, 0, 'S-09 nothing piles up')
  await jobs.enqueue(locationOf(id), { project: 'loc' })
  const second = held(await jobs.claim(['web']))
  const finish = { attempt: second.attempt, status: 'active', blob: facts(33) }
  t.equal((await jobs.act(second, 'finish', finish)).status, 200)
  t.match(await jobs.image(id), { status: 'active', size: 33, stores: 'web' })
  t.match(await jobs.tasks(id), [{ status: 'failure' }, { status: 'success' }])
  t.match(await worker.usage('loc'), { stored_bytes: 0, uploads: 0 }, 'bytes of others are free')
})

t.test('LCA1 LA7 active before its digests are known', async (t) => {
  const { id } = await create(registry, p1)
  await jobs.enqueue(locationOf(id))
  const job = held(await jobs.claim(['web']))
  const known = { attempt: job.attempt, size: 12, os_hash_algo: null, os_hash_value: null }
  for (let n = 0; n < 2; n++) t.equal((await jobs.act(job, 'activate', known)).status, 204)
  t.match(await jobs.image(id), { status: 'active', size: 12, checksum: null, stores: 'web' })
  const data = await call(admin, 'GET', `/images/${id}/data`)
  t.match(data.json, { blob: { size: 12, sha256: null }, placements: [{ role: 'external' }] })
  const other = { attempt: job.attempt, status: 'active', blob: facts(13) }
  t.equal((await jobs.act(job, 'finish', other)).json.code, 'IMAGE_STATE', 'S-13 the size stays')
  const finish = { attempt: job.attempt, status: 'active', blob: facts(12) }
  t.equal((await jobs.act(job, 'finish', finish)).status, 200)
  t.match(await jobs.image(id), { status: 'active', os_hash_value: 'ab'.repeat(32) })
  t.equal((await call(admin, 'GET', `/images/${id}/data`)).json.blob !== null, true)
})

t.test('LA7 digests that cannot be had leave the image active', async (t) => {
  const { id } = await create(registry, p1)
  await jobs.enqueue(locationOf(id))
  const job = held(await jobs.claim(['web']))
  const known = { attempt: job.attempt, size: 12, os_hash_algo: null, os_hash_value: null }
  await jobs.act(job, 'activate', known)
  await jobs.act(job, 'abandon', { attempt: job.attempt, reason: 'it broke' })
  t.match(await jobs.image(id), { status: 'active', size: 12, stores: 'web', checksum: null })
  await jobs.enqueue(copyTo(id, 'b'))
  const copy = held(await jobs.claim(['web', 'b']))
  await jobs.stored(copy, await jobs.begin(copy, 'b'), facts(12))
  await jobs.complete(copy)
  t.match(await jobs.image(id), { stores: 'b,web', os_hash_value: 'ab'.repeat(32) })
})

t.test('LA8 digests that are taken as they are said', async (t) => {
  const { id } = await create(registry, p1)
  await jobs.enqueue(locationOf(id))
  const job = held(await jobs.claim(['web']))
  const said = { os_hash_algo: 'sha512', os_hash_value: '12'.repeat(64) }
  await jobs.act(job, 'activate', { attempt: job.attempt, size: 12, ...said })
  await jobs.complete(job)
  t.match(await jobs.image(id), { status: 'active', checksum: null, ...said })
  t.match((await call(admin, 'GET', `/images/${id}/data`)).json, { blob: { sha256: null } })
  t.match(await jobs.tasks(id), [{ status: 'success' }])
})

t.test('an outside location is forgotten, never deleted', async (t) => {
  const web = await openRegistry(t)
  const webJobs = createJobs(web)
  const webWorker = createWorker(web)
  const url = 'http://example.test/shared'
  const add = async () => {
    const { id } = await create(web, p1)
    await webJobs.enqueue(locationOf(id, url))
    const job = held(await webJobs.claim(['web']))
    const finish = { attempt: job.attempt, status: 'active', blob: facts(5) }
    await webJobs.act(job, 'finish', finish)
    return id
  }
  const [one, two] = [await add(), await add()]
  await webJobs.enqueue(copyTo(two, 'b'))
  const job = held(await webJobs.claim(['web', 'b']))
  await webJobs.stored(job, await webJobs.begin(job, 'b'), facts(5))
  await webJobs.complete(job)
  t.equal((await webJobs.remove(two, 'web')).status, 204)
  t.match(await webJobs.image(two), { stores: 'b' })
  await web.call(admin, 'DELETE', `/images/${one}`)
  t.strictSame(await webWorker.claim('web'), [], 'nothing to delete')
  t.strictSame(
    await web.query(`SELECT id FROM placements WHERE store = 'web'`),
    [],
    'and nothing to remember'
  )
  t.equal((await web.query('SELECT id FROM blobs')).length, 1)
  const waiting = await create(web, p1)
  await webJobs.enqueue(locationOf(waiting.id, url))
  await web.call(admin, 'DELETE', `/images/${waiting.id}`)
  t.equal((await web.query('SELECT id FROM blobs')).length, 1, 'DEL6 nor what never began')
})

const outside = (url: string, metadata: object = {}) => ({
  ...{ id: randomUUID(), store: 'web', key: url, role: 'external', metadata }
})
const nothing = { add: [], remove: [], describe: [], data: null }

async function patchLocations(id: string, locations: object, fields: object = {}, etag?: string) {
  const path = `/images/${id}`
  const current = etag ?? String((await call(p1, 'GET', path)).headers.etag)
  const body = { ...fields, locations: { ...nothing, ...locations } }
  return call(p1, 'PATCH', path, body, { 'if-match': current })
}

const dataOf = (size: number) => ({
  ...{ blob_id: randomUUID(), size, md5: null, os_hash_algo: null, os_hash_value: null }
})

t.test('PL9 the first location of a queued image, in one step with its fields', async (t) => {
  const { id } = await create(registry, p1)
  const [one, two] = [outside('http://a.test/1', { n: 1 }), outside('http://a.test/2')]
  const data = dataOf(7)
  t.equal((await patchLocations(id, { data })).status, 400, 'data lies somewhere')
  t.equal((await patchLocations(id, { add: [one] })).json.code, 'IMAGE_STATE', 'queued has none')
  const stale = await patchLocations(id, { add: [one], data }, { name: 'new' }, '"99"')
  t.equal(stale.json.code, 'VERSION_CONFLICT')
  const inner = { ...one, store: 'main', role: 'data' }
  t.equal((await patchLocations(id, { add: [inner], data })).status, 400, 'S-07 only outside')
  t.match(await jobs.image(id), { status: 'queued' })
  const set = await patchLocations(id, { add: [one, two], data }, { name: 'new' })
  t.equal(set.status, 200)
  t.match(set.json, { status: 'active', name: 'new', size: 7, stores: 'web' })
  const again = await patchLocations(id, { add: [outside('http://a.test/3')], data: dataOf(8) })
  t.equal(again.json.code, 'IMAGE_STATE', 'S-13 its data stays')
  const found = await call(p1, 'POST', '/images/locations', { ids: [id, randomUUID()] })
  const { metadata: _, ...bare } = two
  t.strictSame(found.json, { images: [{ id, placements: [one, bare] }] })
  const stranger = await call({ project: 'P2' }, 'POST', '/images/locations', { ids: [id] })
  t.strictSame(stranger.json, { images: [] })
})

t.test('PL3 locations are removed and described, never the last one', async (t) => {
  const id = await createIn(5)
  const [one, two] = [outside('http://a.test/1'), outside('http://a.test/1', { n: 2 })]
  const describe = [{ id: one.id, metadata: { said: true } }]
  t.equal((await patchLocations(id, { add: [one, two], describe })).status, 200)
  const { placements } = (await call(p1, 'GET', `/images/${id}/data`)).json
  const [main] = placements as { id: string }[]
  t.match(placements, [{ store: 'main' }, { metadata: { said: true } }, { metadata: { n: 2 } }])
  const all = [String(main?.id), one.id, two.id]
  t.equal((await patchLocations(id, { remove: all }, { name: 'no' })).status, 403)
  t.not((await jobs.image(id)).name, 'no', 'P16')
  t.equal((await patchLocations(id, { remove: [randomUUID()] })).status, 404)
  const left = await patchLocations(id, { remove: all.slice(0, 2) })
  t.match(left.json, { status: 'active', stores: 'web', size: 5 })
  const garbage = await worker.claim('main')
  t.ok(
    garbage.some((each) => each.id === main?.id),
    'what was ours goes'
  )
  t.strictSame(await worker.claim('web'), [])
})

t.test('LCA4 a queued image that waits for work takes no location', async (t) => {
  const { id } = await create(registry, p1)
  await jobs.enqueue(locationOf(id))
  const answer = await patchLocations(id, { add: [outside('http://a.test/1')], data: dataOf(7) })
  t.equal(answer.json.code, 'IMAGE_BUSY')
})
