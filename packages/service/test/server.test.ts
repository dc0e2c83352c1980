import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { lstat, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { get as httpGet, request as httpRequest } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { TankError } from '@tank/model'
import t from 'tap'
import {
  bodyRateGuard,
  createLogger,
  createServer,
  disconnectSignal,
  health,
  newTokenSecret,
  problems,
  readerStallGuard,
  redactUrls,
  runServer,
  secretsEqual,
  tokenDigest,
  toTankError
} from '../src/index.ts'
import { collect } from './collect.ts'
import { openRaw, sendRaw } from './raw-http.ts'

const silent = createLogger({ level: 'silent' })
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

t.test('problems are RFC 9457 and tell nothing from below', async (t) => {
  const { lines, stream } = collect()
  const app = createServer({ logger: createLogger({}, stream) })
  await app.register(problems)
  app.get('/tank', async () => {
    throw new TankError('IMAGE_NOT_FOUND', 'No image found with ID a', { headers: { 'x-a': 'b' } })
  })
  app.get('/below', async () => {
    throw new Error('connect postgres://tank:canary@db/tank', {
      cause: new Error('GET https://s3/x?X-Amz-Signature=canary&y=1')
    })
  })
  app.get('/checked', { schema: { querystring: { type: 'object', required: ['a'] } } }, () => 'x')
  const found = await app.inject('/tank')
  t.equal(found.statusCode, 404)
  t.equal(found.headers['content-type'], 'application/problem+json')
  t.equal(found.headers['cache-control'], 'no-store')
  t.equal(found.headers['x-a'], 'b')
  t.same(found.json(), {
    type: 'urn:tank:problem:image-not-found',
    title: 'Not Found',
    status: 404,
    detail: 'No image found with ID a',
    code: 'IMAGE_NOT_FOUND',
    requestId: found.headers['x-openstack-request-id']
  })
  const below = await app.inject('/below')
  t.match(below.json(), { status: 500, code: 'INTERNAL', detail: 'internal error' })
  const log = lines.join('')
  t.match(log, /connect postgres:\/\/\*\*\*@db/, 'the log has the cause chain')
  t.match(log, /X-Amz-Signature=\*\*\*&y=1/)
  t.notMatch(log, /canary/, 'S-02 but no credentials')
  t.match((await app.inject('/checked')).json(), { status: 400, code: 'INVALID_REQUEST' })
  t.match((await app.inject('/nowhere')).json(), { status: 404, code: 'NOT_FOUND' })
  const put = await app.inject({
    method: 'PUT',
    url: '/nowhere',
    headers: { 'content-type': 'application/octet-stream' },
    payload: 'x'
  })
  t.equal(put.statusCode, 404, 'an unknown path is 404 whatever the media type')
  await app.close()
})

t.test('S-02 what hangs on an error is not logged', async (t) => {
  const { lines, stream } = collect()
  const canary = { secretKey: 'canary', parsed: { text: 'canary' } }
  const lost = Object.assign(
    new Error('lost', { cause: Object.assign(new Error('why'), canary) }),
    {
      code: 'ECONNRESET',
      client: canary
    }
  )
  const tried = new AggregateError(
    [Object.assign(new Error('one way'), { socket: canary })],
    'both'
  )
  const log = createLogger({}, stream)
  log.warn({ err: lost }, 'first')
  log.warn({ err: tried }, 'second')
  const text = lines.join('')
  t.notMatch(text, /canary/)
  t.match(text, /lost.*why.*"code":"ECONNRESET"/s, 'but what it says')
  t.match(text, /one way/)
})

t.test('S-46 S-02 the access log is one line of JSON without credentials', async (t) => {
  const { lines, stream } = collect()
  const app = createServer({ logger: createLogger({}, stream) })
  app.get('/a', async () => 'x')
  await app.inject({
    url: '/a?token=canary&sig=canary&b=1%0A',
    headers: { authorization: 'Bearer canary', 'x-auth-token': 'canary' }
  })
  t.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '')
  t.match(line, { msg: 'request', method: 'GET', url: '/a?token=***&sig=***&b=1%0A', status: 200 })
  t.notMatch(lines.join(''), /canary/)
  t.equal(redactUrls('see http://u:p@h/x'), 'see http://***@h/x')
  const { secret } = newTokenSecret()
  t.equal(redactUrls(`/a/${secret}?b=${secret}`), '/a/tank_***?b=tank_***')
  await app.close()
})

const OUTPUT = new URL('../src/log-output.js', import.meta.url).href

/** A process whose log goes to `stderr`, and which says `on` after it has tried to write it. */
function logging(stderr: number | 'pipe', code = '') {
  const source = `import { createOutput } from '${OUTPUT}'
    const log = createOutput(process.stderr.fd)
    const write = (text, level = 30) => { log.lastLevel = level; log.write(text + '\\n') }
    ${code}
    write('first', 40)
    await new Promise((resolve) => setTimeout(resolve, 500))
    write('second', 40)
    await new Promise((resolve) => process.stdout.write('on', resolve))
    write('last')`
  const args = ['--input-type=module', '-e', source]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', stderr], timeout: 30_000 })
}

t.test('a log that cannot be written ends no process, and holds up no end', async (t) => {
  const full = existsSync('/dev/full') ? [openSync('/dev/full', 'w')] : []
  for (const stderr of [...full, 'pipe'] as const) {
    const child = logging(stderr)
    child.stderr?.destroy()
    const [out, [code]] = await Promise.all([text(child.stdout as Readable), once(child, 'close')])
    t.match([out, code], ['on', 0], stderr === 'pipe' ? 'its reader is gone' : 'its disk is full')
  }
})

t.test('log lines are gathered, and none is lost to a slow reader or at the end', async (t) => {
  const child = logging('pipe', `for (let n = 0; n < 40_000; n++) write('line ' + n)`)
  // more than a pipe holds is waiting by then
  await once(child.stdout as Readable, 'data')
  const written = (await text(child.stderr as Readable)).trimEnd().split('\n')
  const lines = Array.from({ length: 40_000 }, (_, n) => `line ${n}`)
  t.same(written, [...lines, 'first', 'second', 'last'])
})

t.test('errors of the framework become codes', async (t) => {
  const tank = new TankError('IMAGE_BUSY', 'x')
  t.equal(toTankError(tank), tank)
  t.equal(toTankError({ code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }).code, 'TOO_LARGE')
  t.equal(toTankError({ statusCode: 415 }).code, 'UNSUPPORTED_MEDIA_TYPE')
  t.equal(toTankError('text').code, 'INTERNAL')
  t.equal(toTankError({ statusCode: 502 }).message, 'internal error')
})

t.test('S-48 secrets of tokens are random, and known by a digest', async (t) => {
  const [one, other] = [newTokenSecret(), newTokenSecret()]
  t.match(one.secret, /^tank_[A-Za-z0-9_-]{43}$/)
  t.not(one.secret, other.secret)
  t.match(one.digest, /^[0-9a-f]{64}$/)
  t.equal(tokenDigest(one.secret), one.digest)
  for (const text of ['', 'tank_', `${one.secret}x`, `x${one.secret}`, `${one.secret}\n`]) {
    t.equal(tokenDigest(text), undefined, text)
  }
})

t.test('S-47 secrets are compared by digest', async (t) => {
  t.equal(secretsEqual('a', 'a'), true)
  t.equal(secretsEqual('a', 'b'), false)
  t.equal(secretsEqual('a', 'a much longer secret'), false)
  t.equal(secretsEqual('', 'a'), false)
})

t.test('HTP5 health', async (t) => {
  const file = join(t.testdir(), 'off')
  let fault: Error | undefined
  const app = createServer()
  await app.register(health, {
    disabledByFile: file,
    ready: async () => {
      if (fault !== undefined) throw fault
    }
  })
  const ok = await app.inject('/healthcheck')
  t.match([ok.statusCode, ok.body, ok.headers['content-type']], [200, 'OK', /^text\/plain/])
  t.equal((await app.inject({ method: 'HEAD', url: '/healthcheck' })).statusCode, 200)
  t.equal((await app.inject('/readyz')).json().status, 'ready')
  fault = new Error('canary')
  const away = await app.inject('/readyz')
  t.equal(away.statusCode, 503)
  t.notMatch(away.body, /canary/)
  await writeFile(file, '')
  const off = await app.inject('/healthcheck')
  t.match([off.statusCode, off.body], [503, 'DISABLED BY FILE'])
  await app.close()
})

t.test(
  'disconnectSignal aborts for a client that goes away, not for one that is served',
  async (t) => {
    const app = createServer()
    const signals: AbortSignal[] = []
    app.get('/slow', async (_request, reply) => {
      const signal = disconnectSignal(reply)
      t.equal(disconnectSignal(reply), signal, 'one signal a reply')
      signals.push(signal)
      await sleep(100)
      return 'done'
    })
    const { url, stop } = await runServer(app, { listen: { port: 0 }, drainMs: 500, log: silent })
    const aborted = httpGet(`${url}/slow`)
    aborted.on('error', () => {})
    await sleep(40)
    aborted.destroy()
    await sleep(40)
    t.equal(signals[0]?.aborted, true)
    t.equal(await (await fetch(`${url}/slow`)).text(), 'done')
    await sleep(20)
    t.equal(signals[1]?.aborted, false)
    await stop()
  }
)

t.test('runServer drains: running requests finish, idle connections close', async (t) => {
  const app = createServer()
  app.get('/slow', async () => {
    await sleep(200)
    return 'done'
  })
  const { url, stop } = await runServer(app, { listen: { port: 0 }, drainMs: 5000, log: silent })
  const port = Number(new URL(url).port)
  const idle = await openRaw(port)
  idle.resume()
  const running = sendRaw(port, 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', 1000)
  await sleep(50)
  const began = Date.now()
  const first = stop()
  t.equal(stop(), first, 'stop is idempotent')
  await first
  t.match(await running, { status: 200, body: 'done' })
  t.ok(Date.now() - began < 1500, 'keep-alive does not hold the end up')
  await t.rejects(fetch(url), 'no longer accepts')
  idle.destroy()
})

t.test('runServer cuts what is left at the end of the drain time', async (t) => {
  const app = createServer()
  app.get('/never', async () => await new Promise(() => {}))
  const { url, stop } = await runServer(app, { listen: { port: 0 }, drainMs: 100, log: silent })
  const failed = fetch(`${url}/never`).then(
    () => 'answered',
    () => 'cut'
  )
  await sleep(50)
  await stop()
  t.equal(await failed, 'cut')
  const other = createServer()
  other.get('/never', async () => await new Promise(() => {}))
  const running = await runServer(other, { listen: { port: 0 }, drainMs: 60_000, log: silent })
  const cut = fetch(`${running.url}/never`).catch(() => 'cut')
  await sleep(50)
  const patient = running.stop()
  await running.cut()
  await patient
  t.equal(await cut, 'cut', 'a second signal need not wait')
})

t.test(
  'runServer on a Unix socket: private, replaces a stale one, refuses a live one',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tank-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const path = join(folder, 's')
    const start = async (at = path) => {
      const app = createServer()
      app.get('/a', async () => 'x')
      return await runServer(app, { listen: { path: at }, drainMs: 100, log: silent })
    }
    const running = await start()
    t.equal(running.url, `unix:${path}`)
    t.equal((await lstat(path)).mode & 0o777, 0o600)
    await t.rejects(start(), /another process listens/)
    await running.stop()
    // what a killed server leaves: a socket that nobody listens on
    const stale = createNetServer().listen(`${path}2`)
    await once(stale, 'listening')
    await rename(`${path}2`, path)
    await new Promise((resolve) => stale.close(resolve))
    await (await start()).stop()
    await writeFile(path, 'a file')
    await t.rejects(start(), /is no socket/)
    t.equal(await readFile(path, 'utf8'), 'a file')
    await t.rejects(start(`/tmp/${'a'.repeat(100)}`), /longer than 100 bytes/)
  }
)

t.test('UPL12: no clock runs on a whole request', (t) => {
  const { server } = createServer()
  t.equal(server.requestTimeout, 0, 'by itself Node gives five minutes')
  t.equal(server.timeout, 0)
  t.ok(server.headersTimeout > 0, 'but on its headers')
  t.end()
})

t.test('S-34 bodyRateGuard stops a drip, lets a steady or paused body pass', async (t) => {
  const app = createServer()
  await app.register(problems)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async () => undefined)
  const rate = { bytesPerSecond: 1000, windowSeconds: 1, graceSeconds: 1 }
  app.put('/body', { config: { lateContinue: true } }, async (request, reply) => {
    const guard = bodyRateGuard(request, rate)
    if (request.headers['x-lazy'] !== undefined) await sleep(3500)
    return await new Promise((resolve, reject) => {
      guard.signal.addEventListener('abort', () => reject(guard.signal.reason))
      if (guard.signal.aborted) reject(guard.signal.reason)
      request.raw.on('end', () => resolve(reply.send('all')))
      request.raw.resume()
    })
  })
  const running = await runServer(app, { listen: { port: 0 }, drainMs: 100, log: silent })
  const send = (size: number, interval: number, headers = {}) =>
    new Promise<number>((resolve, reject) => {
      const request = httpRequest(`${running.url}/body`, { method: 'PUT', headers }, (answer) => {
        clearInterval(timer)
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      request.on('error', reject)
      let left = 8
      const timer = setInterval(() => {
        if (left-- > 0) request.write(Buffer.alloc(size))
        else request.end()
      }, interval)
    })
  const [drip, steady, lazy] = await Promise.all([
    send(10, 500),
    send(1000, 400),
    send(4_000_000, 10, { 'x-lazy': '1' })
  ])
  t.equal(drip, 408)
  t.equal(steady, 200)
  t.equal(lazy, 200, 'a slow server is not the fault of the client')
  await running.stop()
})

t.test('S-35 readerStallGuard closes on a client that stops reading', async (t) => {
  const app = createServer()
  const events: string[] = []
  app.get('/big', async (_request, reply) => {
    const { signal } = readerStallGuard(reply, 0.3)
    signal.addEventListener('abort', () => events.push('stalled'))
    return reply.send(Buffer.alloc(64 * 1024 * 1024))
  })
  app.get('/slow-store', async (_request, reply) => {
    readerStallGuard(reply, 0.2).signal.addEventListener('abort', () => events.push('wrong'))
    await sleep(700)
    return reply.send('x')
  })
  await app.ready()
  const running = await runServer(app, { listen: { port: 0 }, drainMs: 100, log: silent })
  const socket = await openRaw((app.server.address() as AddressInfo).port)
  socket.pause()
  socket.on('error', () => {})
  socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(await (await fetch(`${running.url}/slow-store`)).text(), 'x')
  await sleep(500)
  t.same(events, ['stalled'])
  socket.destroy()
  await running.stop()
})
