import { isIP } from 'node:net'
import t from 'tap'
import { createConnector } from '../src/connect.ts'
import { openHttpStore, type Resolve } from '../src/index.ts'
import { caught, MESSAGE, openWithMirror, reasons } from './mirror.ts'
import { collect, openOrigin } from './origin.ts'

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

t.test('S-18 no way to write an inside host is a location', async (t) => {
  const { port, asked } = await openOrigin(t, (_request, response) => response.end('inside'))
  const { store, bare } = await openWithMirror(port, { openSeconds: 0.05 })
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
  const { store } = await openWithMirror(port, { openSeconds: 10 })
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
  const { store } = await openWithMirror(port, { openSeconds: 0.05 }, names)
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
    { allowHttp: true, ports: [origin.port], allow: ['127.0.0.1'], openSeconds: 1 },
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
