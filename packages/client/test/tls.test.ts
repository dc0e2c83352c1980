import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import t, { type Test } from 'tap'
import { createTankClient, passwordAuth } from '../src/index.ts'
import {
  authority,
  expiredCertificate,
  selfSigned,
  serverCertificate,
  serverKey
} from './certificates.ts'
import { serve, urlOf } from './fake-server.ts'

const ID = '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01'
const BYTES = Buffer.from('the bytes')
const image = {
  id: ID,
  status: 'active',
  size: BYTES.length,
  os_hash_algo: 'sha256',
  os_hash_value: createHash('sha256').update(BYTES).digest('hex')
}

interface Secure {
  readonly url: string
  /** Method and path of what was asked, and the name of the client's certificate. */
  readonly asked: string[]
}

async function serveTls(t: Test, cert: string, asksForCertificate = false): Promise<Secure> {
  const asked: string[] = []
  const options = { key: serverKey, cert, ca: authority, requestCert: asksForCertificate }
  const server = createServer({ ...options, rejectUnauthorized: false }, (request, response) => {
    const { subject } = Object(request.socket).getPeerCertificate?.() ?? {}
    asked.push(`${request.method} ${request.url} ${subject?.CN ?? ''}`.trimEnd())
    request.resume()
    if (request.method === 'PUT') return response.writeHead(204).end()
    if (request.url?.endsWith('/file')) return response.end(BYTES)
    return response.end(JSON.stringify(image))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: urlOf(server.address()).replace('http:', 'https:'), asked }
}

/** As every program that believes its environment would be led astray. */
function distrustNothing(t: Test): void {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  })
}

t.test('S-04 a certificate is refused for what is wrong with it', async (t) => {
  distrustNothing(t)
  const cases: [what: string, cert: string, host: string, ca: string | undefined, says: RegExp][] =
    [
      ['another name', serverCertificate, 'localhost', authority, /use a name that it is for/],
      ['expired', expiredCertificate, '127.0.0.1', authority, /has to renew it/],
      ['self-signed', selfSigned, '127.0.0.1', authority, /give that as `ca`/],
      ['unknown authority', serverCertificate, '127.0.0.1', undefined, /give that as `ca`/]
    ]
  const each = cases.flatMap((one) => [false, true].map((light) => [...one, light] as const))
  for (const [what, cert, host, ca, says, light] of each) {
    await t.test(`${what}, light: ${light}`, async (t) => {
      const server = await serveTls(t, cert)
      const url = server.url.replace('127.0.0.1', host)
      const client = createTankClient({ url, token: 'secret', ca, retryDelayMs: 5, light })
      t.teardown(() => client.close())
      const folder = t.testdir({ image: 'old' })
      const refused = { code: 'CERTIFICATE_REFUSED', message: says, status: undefined }
      await t.rejects(client.show(ID), refused)
      await t.rejects(client.upload(ID, BYTES), refused)
      await t.rejects(client.stage(ID, BYTES), refused)
      await t.rejects(client.download(ID, `${folder}/image`), refused)
      await t.rejects(client.download(ID, `${folder}/image`, { resume: true }), refused)
      t.same(await readdir(folder), ['image'])
      t.equal(await readFile(`${folder}/image`, 'utf8'), 'old')
      const auth = passwordAuth({ authUrl: url, username: 'u', password: 'p', ca })
      await t.rejects(auth.token(), refused, 'nor does an identity service get a password')
      t.same(server.asked, [], 'it was asked nothing, and shown no token')
    })
  }
})

t.test('S-04 an own authority is trusted, and a certificate is shown', async (t) => {
  const server = await serveTls(t, serverCertificate, true)
  const own = { cert: serverCertificate, key: serverKey }
  const client = createTankClient({ url: server.url, ca: authority, ...own })
  t.teardown(() => client.close())
  await client.show(ID)
  await client.upload(ID, BYTES)
  const file = `${t.testdir()}/image`
  t.match(await client.download(ID, file), { size: BYTES.length, verifiedWith: 'sha256' })
  t.equal(await readFile(file, 'utf8'), 'the bytes')
  for (const asked of server.asked) t.match(asked, / mirror\.test$/)
  t.equal(server.asked.length, 4)
})

t.test('a server without TLS is no certificate to refuse', async (t) => {
  const plain = await serve(t, (_request, response) => response.end())
  const url = plain.url.replace('http:', 'https:')
  const client = createTankClient({ url, retries: 0 })
  t.teardown(() => client.close())
  await t.rejects(client.show(ID), { code: 'UNREACHABLE' })
  await t.rejects(client.upload(ID, BYTES), { code: 'UNREACHABLE' })
})
