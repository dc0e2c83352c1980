import { once } from 'node:events'
import { createServer, isIP } from 'node:net'
import { inspect } from 'node:util'
import { guard, isStoreError, type StoreError } from '@tank/store'
import t, { type Test } from 'tap'
import { createConnector } from '../src/connect.ts'
import { type HttpStoreOptions, openHttpStore, type Resolve } from '../src/index.ts'
import { collect, openOrigin } from './origin.ts'

const MESSAGE = 'the location cannot be read'

/** S-18: ways to write a host that leads inside. */
const corpus = [
  ...['127.1', '2130706433', '0x7f000001', '017700000001', '0', '127.0.0.1', '0.0.0.0'],
  ...['127.0.0.1.', '0177.0.0.1', '0x7f.0.0.1', '127.0.1', '%31%32%37.0.0.1', '127%2e0.0.1'],
  ...['[::]', '[::1]', '[::ffff:127.0.0.1]', '[0:0:0:0:0:ffff:7f00:1]', '[::7f00:1]'],
  ...['[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[::1%25lo]', '[fe80::1]'],
  ...['169.254.169.254', '[fd00:ec2::254]', 'metadata.google.internal', '①②⑦.0.0.1'],
  ...['localhost', 'localhost.', 'LOCALHOST', 'a@127.0.0.1', ':@127.0.0.1', 'a:b@127.0.0.1'],
  ...['127。0。0。1', '\uff11\uff12\uff17.0.0.1', '10.0.0.1', '192.168.0.1', '168.63.129.16']
]

async function caught(run: () => Promise<unknown>): Promise<StoreError> {
  try {
    await run()
  } catch (error) {
    if (isStoreError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** What the log would say: the causes of an error. */
function reasons(error: unknown): string {
  return error instanceof Error ? `${error.message}; ${reasons(error.cause)}` : ''
}

/** A store for which `mirror.test` is an allowed mirror, and 127.0.0.1 is not. */
async function openWithMirror(
  port: number,
  options: HttpStoreOptions = {},
  names: Readonly<Record<string, readonly string[]>> = {}
) {
  const asked: string[] = []
  const resolve: Resolve = async (hostname) => {
    asked.push(hostname)
    return hostname === 'mirror.test' ? ['127.0.0.1'] : (names[hostname] ?? [])
  }
  const lines: object[] = []
  const store = await openHttpStore(
    { allowHttp: true, ports: [port], allow: ['mirror.test'], openSeconds: 0.05, ...options },
    { resolve, log: { info: (fields) => void lines.push(fields) } }
  )
  return { store: guard('http', store), bare: store, asked, lines }
}

t.test('S-18 no way to write an inside host is a location', async (t) => {
  const { port, asked } = await openOrigin(t, (_request, response) => response.end('inside'))
  const { store, bare } = await openWithMirror(port)
  const hosts = [
    ...corpus.map((host) => `${host}:${port}`),
    `127.0.0.1:${port}#@x`,
    `x\\@127.0.0.1`
  ]
  await Promise.all(
    hosts.map(async (host) => {
      for (const each of [store, bare]) {
        for (const call of [
          () => each.get(`http://${host}/x`),
          () => each.stat(`http://${host}/x`)
        ]) {
          const error = await caught(call)
          if (error.code === 'BAD_LOCATION') continue
          t.match(error, { code: 'UNAVAILABLE', message: MESSAGE }, host)
          t.match(reasons(error), /denied|has no address/, `${host} was not tried`)
        }
      }
    })
  )
  t.strictSame(asked, [])
})

t.test('S-18 no redirect leads inside', async (t) => {
  const targets = [
    ...corpus.flatMap((host) => [`http://${host}:PORT/x`, `//${host}:PORT/x`]),
    ...['http://127.0.0.1:PORT/#@x', 'http://x\\@127.0.0.1:PORT/', '\\\\127.0.0.1:PORT/x'],
    ...['file:///etc/passwd', 'FILE:/etc/passwd', 'ftp://mirror.test/x', 'data:text/plain,inside'],
    ...['javascript:x', 'gopher://127.0.0.1:PORT/', 'unix:/x', 'http:127.0.0.1:PORT/x', 'http:/x'],
    ...['///127.0.0.1:PORT/x', 'http://mirror.test:22/x', 'http://u:p@mirror.test:PORT/x'],
    ...[`http://mirror.test:PORT/${'a'.repeat(2100)}`, '', 'http://', 'http://mirror.test.:PORT/']
  ]
  const { port, asked } = await openOrigin(t, ({ url = '' }, response) => {
    const target = (targets[Number(url.slice(4))] ?? '').replace('PORT', String(port))
    // As bytes, since header values are not text.
    response.writeHead(302, { location: Buffer.from(target).toString('latin1') }).end('inside')
  })
  const { store } = await openWithMirror(port, { openSeconds: 2 })
  await Promise.all(
    targets.map(async (target, index) => {
      const error = await caught(() => store.get(`http://mirror.test:${port}/go/${index}`))
      t.match(error, { code: 'UNAVAILABLE', message: MESSAGE }, target)
      t.notMatch(reasons(error), 'ECONNREFUSED', `${target} was not tried`)
    })
  )
  const expected = targets.map((_target, index) => `GET /go/${index}`)
  t.strictSame(asked.sort(), expected.sort(), 'nobody was asked but the mirror')
})

t.test('S-18 S-20 no answer of the DNS leads inside, nor the second of two', async (t) => {
  const { port, asked } = await openOrigin(t, (_request, response) => response.end('inside'))
  const answers = corpus.map((host) => host.replace(/^\[|\]$/g, ''))
  const names: Record<string, readonly string[]> = {}
  for (const [index, answer] of answers.entries()) {
    names[`only-${index}.test`] = [answer]
    names[`first-${index}.test`] = [answer, '93.184.216.34']
    names[`second-${index}.test`] = ['93.184.216.34', answer]
    names[`mapped-${index}.test`] = [isIP(answer) === 4 ? `::ffff:${answer}` : answer]
  }
  const { store } = await openWithMirror(port, {}, names)
  await Promise.all(
    Object.keys(names).map(async (name) => {
      const error = await caught(() => store.get(`http://${name}:${port}/x`))
      t.match(error, { code: 'UNAVAILABLE', message: MESSAGE }, name)
      t.match(reasons(error), 'denied', `${name} was not tried`)
    })
  )
  t.strictSame(asked, [])
})

t.test('S-20 a name is resolved once, so it cannot change its mind', async (t) => {
  const origin = await openOrigin(t, ({ headers }, response) => response.end(`for ${headers.host}`))
  let lookups = 0
  const resolve: Resolve = async () => {
    lookups += 1
    return lookups === 1 ? ['127.0.0.1'] : ['127.0.0.2']
  }
  const store = await openHttpStore(
    { allowHttp: true, ports: [origin.port], allow: ['127.0.0.1'], openSeconds: 0.05 },
    { resolve }
  )
  const key = `http://rebinding.test:${origin.port}/x`
  const image = await store.get(key)
  t.equal(String(await collect(image.body)), `for rebinding.test:${origin.port}`)
  t.equal(lookups, 1, 'the connection asked nobody again')
  t.match(reasons(await caught(() => store.get(key))), '127.0.0.2, which is denied')
  t.equal(lookups, 2, 'the next call asks anew')
})

t.test('S-20 a connection that ended at another address is not used', async (t) => {
  const origin = await openOrigin(t, (_request, response) => response.end('inside'))
  const { signal } = new AbortController()
  const connector = createConnector({
    hostname: '127.0.0.1',
    addresses: ['127.0.0.2'],
    ca: undefined,
    signal
  })
  const error = await new Promise<Error | null>((resolve) => {
    const to = { hostname: '', protocol: 'http:', port: String(origin.port) }
    connector(to, (...[failure]) => resolve(failure))
  })
  t.match(error, { message: 'connected to another address' })
  t.strictSame(origin.asked, [])
})

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
    ...[`http://mirror.test/${'x'.repeat(2048)}`, 'http://mirror.test/ä', 'http://MIRROR.test:/x']
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

t.test('an abort ends the wait for the coarse answer, and so does close', async (t: Test) => {
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
