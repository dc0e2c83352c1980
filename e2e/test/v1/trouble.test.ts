import { randomBytes, randomUUID } from 'node:crypto'
import http from 'node:http'
import t from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { ADMIN, identityHeaders, openStack, P1 } from '../../src/stack.ts'
import { DATA, meta, RAW, v1Of } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const BYTES = randomBytes(100_000)

async function open(registry: Record<string, unknown> = {}) {
  const main = new FakeStore()
  const stack = await openStack({
    api: { stores: { main: { use: 'a' } }, defaultStore: 'main' },
    registry,
    plugins: { a: main.plugin() }
  })
  const { said } = v1Of(stack)
  const becomes = (id: string, status: string) =>
    until(`${id} is ${status}`, 15_000, async () =>
      (await said(ADMIN, id, 'status')) === status ? true : undefined
    )
  return { stack, main, v1: v1Of(stack), becomes }
}

/** Sends the beginning of a body and leaves the rest to the test. */
function begin(url: string, method: string, path: string, headers: object): http.ClientRequest {
  const call = http.request(`${url}/v1${path}`, {
    method,
    agent: false,
    headers: { ...identityHeaders(P1), ...DATA, 'content-length': BYTES.length, ...headers }
  })
  call.on('error', () => {})
  call.write(BYTES.subarray(0, 50_000))
  return call
}

const statusOf = (call: http.ClientRequest) =>
  new Promise<number>((resolve, reject) => {
    call.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
  })

t.test('v1 1.10: an upload that fails is killed and leaves no bytes', async (t) => {
  const { stack, main, v1, becomes } = await open({ quotas: { bytes: 150_000 } })
  t.teardown(() => stack.close())
  const { post, put, said, remove, list } = v1
  // bytes count until the store has deleted them
  const nothingLeft = () =>
    until('no byte is left', 15_000, async () => {
      const { stored_bytes, reserved_bytes } = await stack.registry.usage('P1')
      return main.bytes.size + stored_bytes + reserved_bytes === 0 ? true : undefined
    })

  await t.test('the connection is cut', async (t) => {
    const id = randomUUID()
    const created = begin(stack.url, 'POST', '/images', meta({ ...RAW, id }))
    await becomes(id, 'saving')
    created.destroy()
    await becomes(id, 'killed')
    const reserved = (await post(P1, meta(RAW))).image.id
    const sent = begin(stack.url, 'PUT', `/images/${reserved}`, {})
    await becomes(reserved, 'saving')
    sent.destroy()
    await becomes(reserved, 'killed')
    t.equal((await put(P1, reserved, DATA, BYTES)).status, 409, 'nothing leaves killed')
    t.equal((await put(P1, reserved, meta({ name: 'x' }))).status, 200)
    t.equal((await remove(P1, reserved)).status, 200)
  })

  await t.test('the store is full, or away', async (t) => {
    for (const [fails, status] of [
      ['FULL', 413],
      ['UNAVAILABLE', 503]
    ] as const) {
      main.faults = { fails }
      const id = randomUUID()
      t.equal((await post(P1, { ...DATA, ...meta({ ...RAW, id }) }, BYTES)).status, status)
      t.equal(await said(P1, id, 'status'), 'killed')
      main.faults = {}
    }
  })

  await t.test('S-08: the quota is exceeded, before and after', async (t) => {
    const first = (await post(P1, { ...DATA, ...meta(RAW) }, BYTES)).image.id
    const id = randomUUID()
    t.equal((await post(P1, { ...DATA, ...meta({ ...RAW, id }) }, BYTES)).status, 413)
    t.equal(await said(P1, id, 'status'), 'killed')
    const chunked = randomUUID()
    const headers = { ...DATA, ...meta({ ...RAW, id: chunked }), 'transfer-encoding': 'chunked' }
    const answer = await stack.call(P1, 'POST', '/v1/images', { headers, body: BYTES })
    t.equal(answer.status, 413)
    t.equal(await said(P1, chunked, 'status'), 'killed')
    await remove(P1, first)
    await nothingLeft()
  })

  await t.test('the image is deleted meanwhile', async (t) => {
    const id = randomUUID()
    const call = begin(stack.url, 'POST', '/images', meta({ ...RAW, id }))
    const answer = statusOf(call)
    await becomes(id, 'saving')
    t.equal((await remove(P1, id)).status, 200)
    t.equal(await answer, 412)
    t.equal(await said(ADMIN, id, 'status'), 'deleted', 'it stays deleted')
    await nothingLeft()
  })

  await t.test('S-13: of two uploads to one image the first wins', async (t) => {
    const { id } = (await post(P1, meta(RAW))).image
    const call = begin(stack.url, 'PUT', `/images/${id}`, {})
    const answer = statusOf(call)
    await becomes(id, 'saving')
    t.equal((await put(P1, id, DATA, randomBytes(10))).status, 409)
    t.equal(await said(P1, id, 'status'), 'saving', 'the other one goes on')
    call.end(BYTES.subarray(50_000))
    t.equal(await answer, 200)
    t.equal(await said(P1, id, 'size'), String(BYTES.length))
    const both = (await post(P1, meta(RAW))).image.id
    const parts = ['a', 'b', 'c', 'd'].map((word) => put(P1, both, DATA, word.repeat(1000)))
    const statuses = (await Promise.all(parts)).map(({ status }) => status)
    t.strictSame(statuses.sort(), [200, 409, 409, 409])
    t.equal(await said(P1, both, 'size'), '1000')
    for (const each of [id, both]) await remove(P1, each)
  })

  await nothingLeft()
  t.match(await stack.registry.usage('P1'), { uploads: 0 })
  t.strictSame(await list(P1), [])
})

t.test('S-08: an upload is refused while as many run as may: its image is killed', async (t) => {
  const { stack, v1, becomes } = await open({ quotas: { uploads: 1 } })
  t.teardown(() => stack.close())
  const { post, put, said } = v1
  const [running, id] = [randomUUID(), randomUUID()]
  const [sent, untyped] = [
    (await post(P1, meta(RAW))).image.id,
    (await post(P1, meta(RAW))).image.id
  ]
  const call = begin(stack.url, 'POST', '/images', meta({ ...RAW, id: running }))
  await becomes(running, 'saving')
  t.equal((await post(P1, { ...DATA, ...meta({ ...RAW, id }) }, BYTES)).status, 413)
  t.equal(await said(P1, id, 'status'), 'killed')
  t.equal((await put(P1, sent, DATA, BYTES)).status, 413)
  t.equal(await said(P1, sent, 'status'), 'killed')
  t.equal((await put(P1, untyped, { 'content-type': 'text/plain' }, 'x')).status, 400)
  t.equal(await said(P1, untyped, 'status'), 'killed')
  call.destroy()
  await becomes(running, 'killed')
  t.match(await stack.registry.usage('P1'), { uploads: 0 })
})

t.test('S-08: what was refused counts until the store has deleted it', async (t) => {
  const { stack, main, v1 } = await open({ quotas: { bytes: 150_000 } })
  t.teardown(() => stack.close())
  const { post } = v1
  const wrong = () => post(P1, { ...DATA, ...meta({ ...RAW, checksum: '0'.repeat(32) }) }, BYTES)
  t.equal((await wrong()).status, 400)
  t.equal(main.bytes.size, 0, 'mostly at once')
  t.match(await stack.registry.usage('P1'), { stored_bytes: 0, reserved_bytes: 0 })
  main.faults = { keeps: true }
  t.equal((await wrong()).status, 400)
  t.equal(main.bytes.size, 1)
  t.match(await stack.registry.usage('P1'), { stored_bytes: BYTES.length, reserved_bytes: 0 })
  t.equal((await post(P1, { ...DATA, ...meta(RAW) }, BYTES)).status, 413, 'there is no room')
})
