import { randomUUID } from 'node:crypto'
import type { StoredPlacement } from '@tank/model'
import t from 'tap'
import { createActive, openRegistry, type TestCaller } from './registry.ts'

const p1 = { project: 'P1', user: 'ann' }
const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t)
const { call } = registry

t.test('what lies in a store is walked by id, page by page, without garbage', async (t) => {
  const images = new Set<string>()
  for (let size = 1; size <= 5; size++) images.add((await createActive(registry, p1, size)).id)
  const gone = await createActive(registry, p1, 6)
  const walk = async (limit: number) => {
    const all: StoredPlacement[] = []
    for (;;) {
      const after = all.length === 0 ? '' : `&after=${all.at(-1)?.id}`
      const path = `/placements?store=main&limit=${limit}${after}`
      const { placements } = (await call(admin, 'GET', path)).json as {
        placements: StoredPlacement[]
      }
      all.push(...placements)
      if (placements.length < limit) return all
    }
  }
  const before = await walk(2)
  t.equal(before.length, 6)
  t.same(
    before.map(({ id }) => id),
    before.map(({ id }) => id).sort()
  )
  t.same(await walk(1000), before)
  t.same(before.map(({ size }) => size).sort(), [1, 2, 3, 4, 5, 6])
  for (const { store, role, images: named, digests } of before) {
    t.match(
      { store, role, digests },
      { store: 'main', role: 'data', digests: { sha256: /^\w{64}$/ } }
    )
    t.equal(named.length, 1)
  }
  await call(admin, 'DELETE', `/images/${gone.id}`)
  const after = await walk(3)
  t.same(new Set(after.flatMap((each) => each.images)), images)
  t.same((await call(admin, 'GET', '/placements?store=other')).json, { placements: [] })
  const [garbage] = before.filter(({ images: named }) => named.includes(gone.id))
  t.equal((await call(admin, 'GET', `/placements/${garbage?.id}`)).status, 404)
  t.match((await call(admin, 'GET', `/placements/${after[0]?.id}`)).json, after[0])
  t.equal((await call(admin, 'GET', `/placements/${randomUUID()}`)).json.code, 'NOT_FOUND')
  t.equal((await call(admin, 'GET', '/placements/none')).status, 404)
  t.equal((await call(admin, 'GET', '/placements?store=main&after=x')).status, 400)
})
