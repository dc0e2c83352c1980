import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Dispatcher, MockAgent } from 'undici'
import { openTransport } from '../src/transport.ts'
import { isConnectFailure } from '../src/upload/send-body.ts'

function failed(code: string, syscall?: string): Error {
  return Object.assign(new Error(code), { code, ...(syscall !== undefined && { syscall }) })
}

t.test('only what failed while it connected counts as never sent', async (t) => {
  for (const error of [
    failed('ECONNREFUSED', 'connect'),
    failed('ENOENT', 'connect'),
    failed('ENOTFOUND', 'getaddrinfo'),
    failed('UND_ERR_CONNECT_TIMEOUT'),
    failed('ERR_TLS_CERT_ALTNAME_INVALID'),
    new AggregateError([failed('ECONNREFUSED', 'connect'), failed('ENETUNREACH', 'connect')])
  ]) {
    t.equal(isConnectFailure(error), true, error.message)
  }
  for (const error of [
    failed('EHOSTUNREACH', 'read'),
    failed('ENETUNREACH', 'write'),
    failed('ENOENT', 'open'),
    failed('ECONNREFUSED'),
    failed('ECONNRESET', 'connect'),
    new AggregateError([failed('ECONNREFUSED', 'connect'), failed('EHOSTUNREACH', 'read')]),
    'ECONNREFUSED',
    undefined
  ]) {
    t.equal(isConnectFailure(error), false, String(error))
  }
})

t.test('the time for an answer begins with the socket', async (t) => {
  const handlers: Dispatcher.DispatchHandler[] = []
  const dispatcher = Object.assign(new MockAgent(), {
    dispatch: (_options: unknown, handler: Dispatcher.DispatchHandler) => handlers.push(handler) > 0
  })
  const transport = openTransport({ url: 'http://busy.test', dispatcher })
  const controller = { abort: () => undefined } as unknown as Dispatcher.DispatchController
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const call = async () => {
    const answer = transport.call({ method: 'GET', path: '/', headers: [], timeoutMs: 300 })
    await setImmediate()
    return answer
  }
  const late = call()
  await setImmediate()
  mock.timers.tick(299)
  handlers[0]?.onRequestStart?.(controller, undefined)
  mock.timers.tick(299)
  handlers[0]?.onResponseStart?.(controller, 204, {})
  handlers[0]?.onResponseEnd?.(controller, {})
  t.match(await late, { status: 204 })
  const silent = t.rejects(call(), { reason: 'timeout', message: /did not answer/, sent: true })
  const queued = t.rejects(call(), { reason: 'timeout', message: /was ready/, sent: false })
  await setImmediate()
  handlers[1]?.onRequestStart?.(controller, undefined)
  mock.timers.tick(300)
  await Promise.all([silent, queued])
})
