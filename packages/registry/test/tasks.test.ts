import type { TaskDocument } from '@tank/model'
import t from 'tap'
import { createJobs, importInto } from './background.ts'
import { create, openRegistry, type TestCaller } from './registry.ts'

const admin: TestCaller = { scope: 'all' }
const registry = await openRegistry(t, { pageSize: { default: 2, max: 3 } })
const { call, query } = registry
const jobs = createJobs(registry)

const list = async (caller: TestCaller, search = '') => {
  const { status, json } = await call(caller, 'GET', `/tasks${search}`)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`)
  return { ids: (json.tasks as TaskDocument[]).map(({ id }) => id), next: json.next }
}

/** Asks for an import on behalf of a project; returns the id of the task, the newest. */
async function ask(project: string, input: Record<string, unknown> = {}): Promise<string> {
  const { id } = await create(registry, { project })
  const operation = { ...importInto(id, 'outside', 'main'), input }
  t.equal((await jobs.enqueue(operation, { project })).status, 204)
  return operation.id
}

t.test('TSK4 pages have no gaps, whatever is equal, and say when there is no other', async (t) => {
  const made = [await ask('a'), await ask('a'), await ask('a'), await ask('a')]
  await query(`UPDATE operations SET created_at = '2026-01-01', updated_at = '2026-01-01'`)
  for (const key of ['created_at', 'updated_at', 'expires_at', 'status', 'type', 'id']) {
    for (const direction of ['asc', 'desc']) {
      const order = `?sort_key=${key}&sort_dir=${direction}`
      const first = await list(admin, order)
      const second = await list(admin, `${order}&marker=${first.next}`)
      t.equal(second.next, null, 'the last page says that it is the last')
      const sorted = [...made].sort()
      t.same([...first.ids, ...second.ids], direction === 'asc' ? sorted : sorted.reverse(), order)
    }
  }
  t.equal((await list(admin, '?limit=100')).ids.length, 3, 'no more than a page may have')
  await query('DELETE FROM operations')
})

t.test('S-01 TSK1 a project sees its own tasks', async (t) => {
  const [mine, foreign] = [await ask('a', { import_from: 'http://x/' }), await ask('b')]
  t.same((await list({ project: 'a' })).ids, [mine])
  t.same((await list({ project: null })).ids, [])
  t.same((await list(admin)).ids, [foreign, mine])
  t.same((await list(admin, '?type=import')).ids, [mine], 'a task that made its image')
  const show = async (caller: TestCaller, id: string) =>
    (await call(caller, 'GET', `/tasks/${id}`)).json
  t.match(await show({ project: 'a' }, mine), { id: mine, type: 'import', status: 'pending' })
  t.match(await show({ project: 'a' }, foreign), { status: 404, code: 'OPERATION_NOT_FOUND' })
  t.match(await show(admin, foreign), { id: foreign, type: 'api_image_import', owner: 'b' })
  t.match(await show(admin, 'x'), { status: 404, code: 'OPERATION_NOT_FOUND' })
  const marker = await call({ project: 'a' }, 'GET', `/tasks?marker=${foreign}`)
  t.match(marker.json, { status: 400, code: 'INVALID_QUERY' })
})

t.test('TSK4 tasks are forgotten some time after their end, uploads are none', async (t) => {
  const [, id] = (await list(admin)).ids
  await query(`UPDATE operations SET state = 'success', ended_at = now() WHERE id = $1`, [id])
  t.same((await list(admin, '?status=success')).ids, [id])
  await query(`UPDATE operations SET ended_at = now() - interval '49 hours' WHERE id = $1`, [id])
  t.same((await list(admin, '?status=success')).ids, [])
  t.equal((await call(admin, 'GET', `/tasks/${id}`)).status, 404)
  await query('UPDATE operations SET background = false')
  t.same((await list(admin)).ids, [])
})
