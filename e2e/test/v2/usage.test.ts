import { PassThrough } from 'node:stream'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { importBy, over, show, tasks } from '../../src/imports.ts'
import { openStack, P1, P2, type Stack, type Who } from '../../src/stack.ts'

const MiB = 2 ** 20

async function usage(stack: Stack, who: Who) {
  const { status, body } = await stack.json(who, 'GET', '/v2/info/usage')
  if (status !== 200) throw new Error(`usage: ${status}`)
  return body.usage
}

t.test('limits and what counts against them', async (t) => {
  const stack = await openStack({
    registry: { quotas: { images: 2, bytes: 5 * MiB, uploads: 1 } }
  })
  t.teardown(() => stack.close())

  await t.test('USE1 usage follows create, upload and delete', async (t) => {
    t.strictSame(await usage(stack, P1), {
      image_size_total: { limit: 5, usage: 0 },
      image_stage_total: { limit: -1, usage: 0 },
      image_count_total: { limit: 2, usage: 0 },
      image_count_uploading: { limit: 1, usage: 0 }
    })
    const image = await stack.create(P1)
    t.match(await usage(stack, P1), { image_count_total: { usage: 1 } })
    await stack.upload(P1, image.id, Buffer.alloc(3 * MiB))
    t.match(await usage(stack, P1), {
      image_size_total: { usage: 3 },
      image_count_uploading: { usage: 0 }
    })
    t.match(await usage(stack, P2), { image_count_total: { usage: 0 } }, 'each project its own')
    await stack.call(P1, 'DELETE', `/v2/images/${image.id}`)
    const isFree = async () => (await usage(stack, P1)).image_size_total.usage === 0
    const until = Date.now() + 10_000
    while (!(await isFree()) && Date.now() < until);
    t.match(await usage(stack, P1), {
      image_size_total: { usage: 0 },
      image_count_total: { usage: 0 }
    })
  })

  await t.test('QTA1: the message names quota, limit, usage and delta', async (t) => {
    await stack.create(P2)
    await stack.create(P2)
    const third = await stack.json(P2, 'POST', '/v2/images', {})
    t.equal(third.status, 413)
    t.match(JSON.stringify(third.body), /image_count_total.*limit of 2.*usage 2.*delta 1/)
  })

  await t.test('QTA5, S-36: one upload too many is refused, and harms nothing', async (t) => {
    const who = { ...P1, project: 'P5' }
    const [first, second] = [await stack.create(who), await stack.create(who)]
    const body = new PassThrough()
    const type = { 'content-type': 'application/octet-stream' }
    const running = stack.call(who, 'PUT', `/v2/images/${first.id}/file`, { headers: type, body })
    body.write('abc')
    const uploads = async () => (await usage(stack, who)).image_count_uploading.usage
    while ((await uploads()) === 0);
    t.equal((await stack.upload(who, second.id, 'more')).status, 413)
    t.match((await stack.json(who, 'GET', `/v2/images/${second.id}`)).body, { status: 'queued' })
    body.end('def')
    t.equal((await running).status, 204)
    t.equal((await stack.upload(who, second.id, 'more')).status, 204)
  })
})

t.test('QTA4: what is staged has a limit of its own', async (t) => {
  const [main, web] = [new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: { main: { use: 'a' }, b: { use: 'b' }, web: { use: 'web' } },
      defaultStore: 'main',
      jobs: { pollSeconds: 0.1 }
    },
    registry: { quotas: { staged: 5 * MiB } },
    plugins: { a: main.plugin(), b: new FakeStore().plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())
  const staged = async () => (await usage(stack, P1)).image_stage_total
  const stage = (id: string, size: number, headers: Record<string, string> = {}) =>
    stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body: Buffer.alloc(size)
    })
  const make = async () => (await stack.create(P1)).id
  const download = async (size: number) => {
    const id = await make()
    const uri = `http://outside.test/${id}`
    web.bytes.set(uri, Buffer.alloc(size))
    t.equal((await importBy(stack, id, { name: 'web-download', uri })).status, 202)
    return over(stack, id)
  }

  t.same(await staged(), { limit: 5, usage: 0 })
  const first = await make()
  t.equal((await stage(first, 3 * MiB)).status, 204)
  t.same(await staged(), { limit: 5, usage: 3 })
  const second = await make()
  for (const headers of [{ 'transfer-encoding': 'chunked' }, {}]) {
    const refused = await stage(second, 2 * MiB + 1, headers)
    t.equal(refused.status, 413, 'by one byte')
    t.match(refused.body.toString(), /image_stage_total/)
    t.match(await show(stack, second), { status: 'queued', size: null })
  }
  t.same(await staged(), { limit: 5, usage: 3 }, 'nothing of it counts')
  const failed = await download(2 * MiB + 1)
  t.match(failed, { status: 'queued', size: null })
  t.match(await tasks(stack, failed.id), [{ status: 'failure', message: /image_stage_total/ }])
  t.match(await download(2 * MiB), { status: 'active' }, 'to the last byte')
  t.equal((await stage(second, 2 * MiB)).status, 204)
  t.same(await staged(), { limit: 5, usage: 5 })
  t.equal((await stage(await make(), 1)).status, 413)
  const uploaded = await make()
  t.equal((await stack.upload(P1, uploaded, Buffer.alloc(MiB))).status, 204, 'uploads do not count')

  await importBy(stack, first, { name: 'glance-direct' })
  t.match(await over(stack, first), { status: 'active' })
  t.same(await staged(), { limit: 5, usage: 2 })
  t.equal((await stack.json(P1, 'DELETE', `/v2/images/${second}`)).status, 204)
  t.same(await staged(), { limit: 5, usage: 0 })
})

t.test('USE2 without limits there is nothing to tell', async (t) => {
  const stack = await openStack({})
  t.teardown(() => stack.close())
  t.strictSame(await usage(stack, P1), {})
  t.strictSame(await usage(stack, { user: 'root', roles: 'admin' }), {})
})
