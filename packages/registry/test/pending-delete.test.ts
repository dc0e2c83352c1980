import t from 'tap'
import {
  changesUpTo,
  create,
  createActive,
  openRegistry,
  type TestCaller,
  until
} from './registry.ts'
import { createWorker } from './worker.ts'

const p1 = { project: 'P1', user: 'ann' }
const admin: TestCaller = { scope: 'all' }

t.test(
  'V1-75 DEL8 a delayed delete hides the image and keeps its bytes until its time is over',
  async (t) => {
    const registry = await openRegistry(t, { deleteDelaySeconds: 3600 })
    const { call, query } = registry
    const { claim, usage } = createWorker(registry)
    const image = await createActive(registry, p1, 8, { tags: ['a'], properties: { x: 'y' } })
    await call(p1, 'PUT', `/images/${image.id}/members/P2`, {})
    t.equal((await call(p1, 'DELETE', `/images/${image.id}`)).status, 204)
    const row = async () =>
      (await query('SELECT * FROM images WHERE id = $1', [image.id]))[0] as Record<string, unknown>
    t.match(await row(), { status: 'pending_delete', tags: ['a'], properties: { x: 'y' } })
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/data'],
      ['DELETE', ''],
      ['POST', '/deactivate']
    ] as const) {
      t.equal(
        (await call(admin, method, `/images/${image.id}${path}`)).status,
        404,
        `${method}${path}`
      )
    }
    t.notMatch((await call(admin, 'GET', '/images?visibility=all')).text, image.id)
    t.equal((await call(p1, 'POST', '/images', { id: image.id, create_token: 'n' })).status, 409)
    t.match(
      await usage('P1'),
      { images: 0, stored_bytes: 8 },
      'it is no image, but its bytes are there'
    )
    t.strictSame((await call(admin, 'POST', '/garbage/images/scrub')).json, { scrubbed: 0 })
    t.strictSame(await claim('main'), [], 'nothing is garbage')
    const waiting = (await call(admin, 'GET', '/garbage/images')).json.images as {
      due_at: string
    }[]
    t.match(waiting, [{ id: image.id, owner: 'P1', size: 8 }])
    t.ok(Date.parse(waiting[0]?.due_at ?? '') > Date.now() + 3_000_000)

    await query(`UPDATE images SET deleted_at = deleted_at - interval '59 minutes' WHERE id = $1`, [
      image.id
    ])
    t.strictSame((await call(admin, 'POST', '/garbage/images/scrub')).json, { scrubbed: 0 })
    await query(`UPDATE images SET deleted_at = deleted_at - interval '1 minute' WHERE id = $1`, [
      image.id
    ])
    const before = await row()
    t.strictSame((await call(admin, 'POST', '/garbage/images/scrub')).json, { scrubbed: 1 })
    const after = await row()
    t.match(after, { status: 'deleted', tags: [], properties: {}, blob_id: null })
    t.strictSame(after.deleted_at, before.deleted_at, 'the time of the deletion stays')
    t.equal((await query('SELECT FROM members WHERE image_id = $1', [image.id])).length, 0)
    t.match(
      await usage('P1'),
      { images: 0, stored_bytes: 8 },
      'bytes count until a store has deleted them'
    )
    t.equal((await claim('main')).length, 1)
    t.equal((await call(admin, 'POST', `/images/${image.id}/restore`)).status, 409)
    const { changes } = await changesUpTo(registry, 'image.scrub')
    t.match(
      changes.filter(({ image_id }) => image_id === image.id).slice(-2),
      [
        {
          type: 'image.delete',
          actor: 'ann',
          detail: { status: 'pending_delete', sha256: String }
        },
        { type: 'image.scrub', actor: null, detail: { status: 'deleted', sha256: String } }
      ],
      'every change of state is noted'
    )
  }
)

t.test('V1-76 the sweeper deletes for good, by the clock of the database', async (t) => {
  const registry = await openRegistry(t, {
    deleteDelaySeconds: 2,
    sweepSeconds: 0.1,
    leaseSeconds: 2,
    heartbeatSeconds: 0.1
  })
  const image = await createActive(registry, p1, 8)
  await registry.call(p1, 'DELETE', `/images/${image.id}`)
  const statement = 'SELECT status FROM images WHERE id = $1'
  const statusOf = async () => (await registry.query(statement, [image.id]))[0]?.status
  t.equal(await statusOf(), 'pending_delete')
  await until(async () => (await statusOf()) === 'deleted')
})

t.test(
  'V1-74 what has no data is deleted at once, and without a delay everything is',
  async (t) => {
    const delayed = await openRegistry(t, { deleteDelaySeconds: 3600 })
    const statusIn = async ({ query }: typeof delayed, id: string) =>
      (await query('SELECT status FROM images WHERE id = $1', [id]))[0]?.status
    const queued = await create(delayed, p1)
    await delayed.call(p1, 'DELETE', `/images/${queued.id}`)
    t.equal(await statusIn(delayed, queued.id), 'deleted')
    const usual = await openRegistry(t)
    const active = await createActive(usual, p1, 8)
    await usual.call(p1, 'DELETE', `/images/${active.id}`)
    t.equal(await statusIn(usual, active.id), 'deleted')
  }
)

t.test(
  'an administrator takes a deletion back: the image is as it was, and counts again',
  async (t) => {
    const registry = await openRegistry(t, { deleteDelaySeconds: 3600, quotas: { images: 1 } })
    const { call } = registry
    const { usage } = createWorker(registry)
    const image = await createActive(registry, p1, 8, { tags: ['a'], properties: { x: 'y' } })
    await call(admin, 'POST', `/images/${image.id}/deactivate`)
    const shown = (await call(p1, 'GET', `/images/${image.id}`)).json
    const restore = (caller: TestCaller) => call(caller, 'POST', `/images/${image.id}/restore`)
    t.equal((await restore(admin)).status, 409, 'it does not wait')
    await call(p1, 'DELETE', `/images/${image.id}`)
    t.equal((await restore(p1)).status, 404, 'not for its owner')
    const other = await create(registry, p1)
    t.equal((await restore(admin)).status, 413, 'there is another one now')
    t.match(await usage('P1'), { images: 1 })
    await call(p1, 'DELETE', `/images/${other.id}`)
    t.equal((await restore(admin)).status, 204)
    t.equal((await restore(admin)).status, 409)
    const { updated_at: _, ...rest } = shown
    t.match((await call(p1, 'GET', `/images/${image.id}`)).json, rest, 'deactivated it stays')
    t.match(await usage('P1'), { images: 1, stored_bytes: 8 })
    t.match((await call(p1, 'GET', `/images/${image.id}/data`)).json, { placements: [{}] })
  }
)
