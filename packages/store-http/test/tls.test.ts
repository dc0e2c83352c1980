import { join } from 'node:path'
import { isStoreError } from '@tank/store'
import t, { type Test } from 'tap'
import { openHttpStore, type Resolve } from '../src/index.ts'
import {
  authority,
  expiredCertificate,
  selfSigned,
  serverCertificate,
  serverKey
} from './certificates.ts'
import { collect, openOrigin } from './origin.ts'

const resolve: Resolve = async () => ['127.0.0.1']

async function openSecure(t: Test, port: number, isTrusted: boolean) {
  const caFile = join(t.testdir({ 'ca.pem': `our own:\n${authority}` }), 'ca.pem')
  return openHttpStore(
    { ports: [port], allow: ['127.0.0.1'], openSeconds: 1.5, ...(isTrusted && { caFile }) },
    { resolve }
  )
}

async function why(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
  } catch (error) {
    if (isStoreError(error, 'UNAVAILABLE')) return String(Object(error.cause).code)
  }
  throw new Error('it was not refused')
}

t.test('S-04 a certificate has to be right, and the site may have its own authority', async (t) => {
  const names: unknown[] = []
  const tls = { key: serverKey, cert: serverCertificate }
  const origin = await openOrigin(
    t,
    (request, response) => {
      names.push([Object(request.socket).servername, request.headers.host])
      response.end('bytes')
    },
    tls
  )
  const { port } = origin
  const trusting = await openSecure(t, port, true)
  for (const host of ['mirror.test', '127.0.0.1']) {
    const { size, body } = await trusting.get(`https://${host}:${port}/x`)
    t.equal(size, 5)
    t.equal(String(await collect(body)), 'bytes')
  }
  t.strictSame(names, [
    ['mirror.test', `mirror.test:${port}`],
    [false, `127.0.0.1:${port}`]
  ])
  t.equal(
    await why(() => trusting.get(`https://other.test:${port}/x`)),
    'ERR_TLS_CERT_ALTNAME_INVALID'
  )
  const strict = await openSecure(t, port, false)
  t.equal(
    await why(() => strict.get(`https://mirror.test:${port}/x`)),
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  )
  t.equal(origin.asked.length, 2, 'nothing was asked of a server that could not be trusted')
})

t.test(
  'S-04 expired and self-signed certificates are refused, whatever the environment',
  async (t) => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    t.teardown(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    })
    for (const [cert, code] of [
      [expiredCertificate, 'CERT_HAS_EXPIRED'],
      [selfSigned, 'DEPTH_ZERO_SELF_SIGNED_CERT']
    ] as const) {
      const origin = await openOrigin(t, (_request, response) => response.end(), {
        key: serverKey,
        cert
      })
      const store = await openSecure(t, origin.port, true)
      t.equal(await why(() => store.get(`https://mirror.test:${origin.port}/x`)), code)
      t.strictSame(origin.asked, [])
    }
  }
)

t.test('no redirect leads from https to http', async (t) => {
  const plain = await openOrigin(t, (_request, response) => response.end('bytes'))
  const tls = { key: serverKey, cert: serverCertificate }
  const origin = await openOrigin(
    t,
    (_request, response) => {
      response.writeHead(302, { location: `http://mirror.test:${plain.port}/x` }).end()
    },
    tls
  )
  const caFile = join(t.testdir({ 'ca.pem': authority }), 'ca.pem')
  const ports = [plain.port, origin.port]
  const store = await openHttpStore(
    { allowHttp: true, ports, allow: ['127.0.0.1'], caFile, openSeconds: 1.5 },
    { resolve }
  )
  await t.rejects(store.get(`https://mirror.test:${origin.port}/x`), {
    code: 'UNAVAILABLE',
    cause: { message: 'redirected from https to http' }
  })
  t.strictSame(plain.asked, [])
})

t.test('connections that a handshake never finishes are ended', async (t) => {
  const silent = await openOrigin(t, (_request, response) => response.end())
  const store = await openSecure(t, silent.port, true)
  await t.rejects(store.get(`https://mirror.test:${silent.port}/x`), { code: 'UNAVAILABLE' })
  while (silent.open() > 0) await new Promise((resolve) => setTimeout(resolve, 10))
})

t.test('a file that has no certificates is said at once', async (t) => {
  const broken = authority.replace(/\n.{8}/, '\nAAAAAAAA')
  const dir = t.testdir({ 'empty.pem': 'nothing', 'broken.pem': broken })
  for (const name of ['none.pem', 'empty.pem', 'broken.pem']) {
    const caFile = join(dir, name)
    await t.rejects(
      openHttpStore({ caFile }),
      { message: `caFile: ${caFile} cannot be used` },
      name
    )
  }
})
