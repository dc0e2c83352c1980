import { once } from 'node:events'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import t from 'tap'
import { openHttpStore } from '../src/index.ts'
import { caught, MESSAGE, openWithMirror, reasons } from './mirror.ts'
import { collect, openOrigin } from './origin.ts'

t.test('redirects are followed, five of them, without saying who we are', async (t) => {
  const seen: object[] = []
  const origin = await openOrigin(t, ({ url = '', headers }, response) => {
    seen.push(headers)
    const left = Number(url.slice(1))
    if (left === 0) return response.end('there')
    const to =
      left % 2 === 0 ? `/${left - 1}` : `http://mirror.test:${origin.port}/${left - 1}#part`
    return response.writeHead([301, 302, 303, 307, 308][left % 5] ?? 302, { location: to }).end()
  })
  const { store } = await openWithMirror(origin.port)
  const at = (left: number) => `http://mirror.test:${origin.port}/${left}`
  for (let left = 0; left <= 5; left += 1) {
    t.equal(String(await collect((await store.get(at(left))).body)), 'there', `${left} redirects`)
  }
  t.strictSame(await store.stat(at(3)), { size: 5 })
  t.match(reasons(await caught(() => store.get(at(6)))), 'more than 5 redirects')
  for (const headers of seen) {
    t.strictSame(
      Object.keys(headers)
        .filter((name) => name !== 'range')
        .sort(),
      [...['accept', 'accept-encoding', 'connection', 'host', 'user-agent']]
    )
  }
  t.notOk(origin.asked.some((each) => each.includes('#')))
})

t.test('redirects that go round end, and those that lead nowhere', async (t) => {
  const origin = await openOrigin(t, ({ url }, response) => {
    response.writeHead(302, url === '/round' ? { location: '/round' } : {}).end()
  })
  const { store } = await openWithMirror(origin.port)
  const why = async (path: string) =>
    reasons(await caught(() => store.get(`http://mirror.test:${origin.port}${path}`)))
  t.match(await why('/round'), 'more than 5 redirects')
  t.match(await why('/nowhere'), 'redirected to nowhere')
})

t.test('what a URL itself shows is said at once', async (t) => {
  const { bare } = await openWithMirror(8080, { openSeconds: 300 })
  const secure = await openHttpStore()
  const code = async (key: string, store = bare) => (await caught(() => store.get(key))).code
  for (const key of [
    ...[
      'ftp://mirror.test/x',
      'mirror.test/x',
      'http://mirror.test:81/x',
      'http://mirror.test:22/x'
    ],
    ...['http://u@mirror.test/x', 'http://mirror.test./x', 'http://mirror.test:080/x', 'http:x'],
    ...[`http://mirror.test/${'x'.repeat(2048)}`, 'http://mirror.test/ä', 'http://MIRROR.test:/x'],
    // public hosts, not as everybody would write them
    ...['http://0x5db8d822/x', 'http://1572395042/x', 'http://93.184.55330/x', 'http://a%2etest/x'],
    'http://[2606:4700:0:0:0:0:0:1111]/x'
  ]) {
    t.equal(await code(key), 'BAD_LOCATION', key)
  }
  t.equal(await code('http://mirror.test/x', secure), 'BAD_LOCATION', 'http is off by default')
  t.notOk(secure.accepts(new URL('http://mirror.test/x')))
  t.notOk(secure.accepts(new URL('https://mirror.test:8443/x')))
  for (const key of ['https://mirror.test/x', 'https://mirror.test:80/x?a=b#new']) {
    t.ok(secure.accepts(new URL(key)), key)
    t.equal(secure.url(key).href, key)
  }
})

t.test('S-17 closed, silent, foreign and denied hosts look alike, also by the clock', async (t) => {
  const openMs = 400
  const silent = createServer((socket) => socket.on('error', () => {}).resume())
  const foreign = createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n'))
  for (const server of [silent, foreign]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
  }
  const portOf = (server: typeof silent) => Number(Object(server.address()).port)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const closedPort = portOf(closed)
  await new Promise((resolve) => closed.close(resolve))
  const origin = await openOrigin(t, ({ url = '' }, response) => {
    const [path = ''] = url.slice(1).split('?')
    if (path === 'gzip') response.setHeader('content-encoding', 'gzip')
    const location = `http://127.0.0.1:${closedPort}/`
    response.writeHead(Number(path) || 200, { location }).end('text')
  })
  const ports = [portOf(silent), portOf(foreign), closedPort, origin.port]
  const { store, lines } = await openWithMirror(
    origin.port,
    { ports, openSeconds: openMs / 1000 },
    { 'inside.test': ['10.0.0.1'], 'elsewhere.test': ['127.0.0.1'] }
  )
  const canary = '?signature=canary-secret'
  const at = (port: number, path = '/') => `http://mirror.test:${port}${path}${canary}`
  const keys = [
    ...[at(portOf(silent)), at(portOf(foreign)), at(closedPort)],
    ...['/500', '/403', '/401', '/302', '/gzip', '/204', '/206', '/304'].map((path) =>
      at(origin.port, path)
    ),
    ...[`http://inside.test/${canary}`, `http://elsewhere.test:${closedPort}/${canary}`],
    ...[`http://nobody.test/${canary}`, `http://127.0.0.1:${closedPort}/${canary}`],
    ...[`https://mirror.test:${origin.port}/${canary}`, `http://localhost/${canary}`]
  ]
  await Promise.all(
    keys.map(async (key) => {
      const start = performance.now()
      const error = await caught(() => store.get(key))
      const took = performance.now() - start
      t.strictSame([error.code, error.message], ['UNAVAILABLE', MESSAGE], key)
      t.ok(took > openMs - 5 && took < openMs + 2_000, `${key} took ${Math.round(took)} ms`)
      t.notMatch(
        inspect(error, { depth: 9, showHidden: true }),
        'canary',
        'S-02 no query in errors'
      )
      t.ok(error.cause instanceof Error, 'the cause says what happened')
    })
  )
  t.equal(lines.length, keys.length, 'the log has each reason')
  t.notMatch(inspect(lines, { depth: 9, showHidden: true }), 'canary', 'S-02 nor in the log')
})

t.test('an image that is not there is, since its origin was allowed to say so', async (t) => {
  const origin = await openOrigin(t, ({ url }, response) => {
    response.writeHead(url === '/gone' ? 410 : 404).end('no')
  })
  const { store } = await openWithMirror(origin.port, { openSeconds: 300 })
  for (const path of ['none', 'gone']) {
    const key = `http://mirror.test:${origin.port}/${path}`
    t.equal((await caught(() => store.get(key))).code, 'NOT_FOUND')
    t.equal((await caught(() => store.stat(key))).code, 'NOT_FOUND')
  }
})

t.test('an abort ends the wait for the coarse answer, and so does close', async (t) => {
  const { store, lines } = await openWithMirror(80, { openSeconds: 300 })
  const reason = new Error('enough')
  const control = new AbortController()
  const first = store.get('http://nobody.test/', { signal: control.signal })
  const second = caught(() => store.stat('http://nobody.test/'))
  while (lines.length < 2) await new Promise((resolve) => setImmediate(resolve))
  control.abort(reason)
  await t.rejects(first, reason)
  await store.close?.()
  t.equal((await second).code, 'UNAVAILABLE')
})
