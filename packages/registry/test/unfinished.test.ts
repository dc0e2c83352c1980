import { randomUUID } from 'node:crypto'
import t from 'tap'
import { create, createActive, openRegistry, type TestRegistry, until, upload } from './registry.ts'
import { createWorker } from './worker.ts'

const P1 = { project: 'P1' }
/** What the tests call old. */
const HOURS = 2

const age = ({ query }: TestRegistry, id: string, hours: number) =>
  query(`UPDATE images SET updated_at = now() - make_interval(hours => $2) WHERE id = $1`, [
    id,
    hours
  ])

const statusOf = async ({ query }: TestRegistry, id: string) =>
  (await query('SELECT status FROM images WHERE id = $1', [id]))[0]?.status

t.test('S-36, S-16: images that never got data are deleted after a time', async (t) => {
  const registry = await openRegistry(t, {
    unfinishedHours: HOURS,
    sweepSeconds: 0.05,
    leaseSeconds: 2,
    heartbeatSeconds: 0.1,
    quotas: { images: 6 }
  })
  const { call, query } = registry
  const worker = createWorker(registry)
  const post = (id: string) => call(P1, 'POST', '/images', { id, create_token: randomUUID() })
  const old = await create(registry, P1)
  const killed = await create(registry, P1)
  const recent = await create(registry, P1)
  const kept = await create(registry, P1, { protected: true })
  const busy = await create(registry, P1)
  const active = await createActive(registry, P1, 8)
  t.equal((await call(P1, 'POST', '/operations', upload(busy.id))).status, 201)
  await query(`UPDATE operations SET lease_until = now() + interval '1 hour' WHERE image_id = $1`, [
    busy.id
  ])
  t.equal((await post(randomUUID())).status, 413, 'QTA1')
  await query(`UPDATE images SET status = 'killed' WHERE id = $1`, [killed.id])
  for (const { id } of [kept, busy, active]) await age(registry, id, 1000)
  await age(registry, recent.id, HOURS - 1)
  for (const { id } of [old, killed]) await age(registry, id, HOURS + 1)

  await until(async () => (await statusOf(registry, old.id)) === 'deleted')
  await until(async () => (await statusOf(registry, killed.id)) === 'deleted')
  t.equal((await call(P1, 'GET', `/images/${old.id}`)).status, 404)
  t.same(
    await Promise.all([recent, kept, busy, active].map(({ id }) => statusOf(registry, id))),
    ['queued', 'queued', 'saving', 'active'],
    'touched, protected, under way, with data'
  )
  t.match(await worker.usage('P1'), { images: 4 }, 'they leave the count')
  t.equal((await post(old.id)).status, 409, 'S-15: the id is taken')
  const changes = await query('SELECT type, actor FROM changes WHERE image_id = $1', [old.id])
  t.match(changes.at(-1), { type: 'image.expire', actor: null })
})

t.test('S-36: without the setting they wait for ever', async (t) => {
  const registry = await openRegistry(t, {
    sweepSeconds: 0.05,
    deleteDelaySeconds: 0.1,
    leaseSeconds: 2,
    heartbeatSeconds: 0.1
  })
  const { id } = await create(registry, P1)
  await age(registry, id, 80_000)
  const other = await createActive(registry, P1, 8)
  await registry.call(P1, 'DELETE', `/images/${other.id}`)
  await until(async () => (await statusOf(registry, other.id)) === 'deleted')
  t.equal(await statusOf(registry, id), 'queued', 'the sweeper was there')
})
