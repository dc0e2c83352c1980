import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createTankClient } from '../src/index.ts'
import { type CallRequest, openTransport } from '../src/transport.ts'
import { sendJson, serve } from './fake-server.ts'
import { ID } from './range-server.ts'

const SHOWN = { id: ID, status: 'active' }

async function openSlow(t: Test, answerMs: number) {
  const server = await serve(t, (_request, response) => {
    setTimeout(() => sendJson(response, 200, SHOWN), answerMs)
  })
  const options = { url: server.url, light: true, connections: 1, connectTimeoutMs: 100 }
  const transport = openTransport(options)
  t.teardown(() => transport.close())
  const call = (more: Partial<CallRequest> = {}) =>
    transport.call({ method: 'GET', path: '/', headers: [], timeoutMs: 10_000, ...more })
  return { server, call }
}

for (const light of [true, false]) {
  t.test(
    `a client that is closed ends what runs and begins nothing, light: ${light}`,
    async (t) => {
      let reached = () => {}
      const asked = new Promise<void>((resolve) => {
        reached = resolve
      })
      const server = await serve(t, (_request, response) => {
        reached()
        setTimeout(() => sendJson(response, 200, SHOWN), 300)
      })
      const client = createTankClient({ url: server.url, light, retries: 0 })
      const running = client.show(ID)
      await asked
      let isClosed = false
      const closing = client.close().then(() => {
        isClosed = true
      })
      await t.rejects(client.show(ID), { code: 'UNREACHABLE', message: /closed|destroyed/ })
      t.equal(isClosed, false, 'something runs')
      t.equal((await running).id, ID)
      await closing
      await t.rejects(client.show(ID), { code: 'UNREACHABLE', message: /closed|destroyed/ })
      t.equal(server.requests.length, 1)
    }
  )
}

t.test('a light call that waits for a socket is not one without connection', async (t) => {
  const { server, call } = await openSlow(t, 300)
  const answers = await Promise.all([call(), call()])
  t.same(
    answers.map(({ status }) => status),
    [200, 200]
  )
  t.equal(server.requests.length, 2)
})

t.test('a light call that waits for a socket ends in time', async (t) => {
  const { server, call } = await openSlow(t, 2_000)
  const first = call()
  const reason = new Error('enough')
  const start = performance.now()
  await Promise.all([
    t.rejects(call({ timeoutMs: 100 }), { message: /did not answer within 100 ms/ }),
    t.rejects(call({ signal: abortAfter(100, reason) }), reason)
  ])
  t.ok(performance.now() - start < 1_500, 'and not when the socket is free')
  t.equal((await first).status, 200)
  await sleep(100)
  t.equal(server.requests.length, 1, 'what has ended is not sent')
})

function abortAfter(ms: number, reason: Error): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), ms)
  return controller.signal
}
