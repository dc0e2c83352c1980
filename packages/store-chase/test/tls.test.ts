import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { isStoreError } from '@tank/store'
import t from 'tap'
import { openChaseStore } from '../src/index.ts'

function makeCertificate(dir: string): string | undefined {
  const names = 'subjectAltName=DNS:localhost'
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=x']
  try {
    const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')]
    execFileSync('openssl', [...args, '-addext', names, ...files], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'openssl is not installed'
  }
}

const dir = t.testdir()
const skip = makeCertificate(dir)

t.test('S-04 certificates and names are checked', skip ? { skip } : {}, async (t) => {
  const cert = join(dir, 'cert.pem')
  const files = { key: await readFile(join(dir, 'key.pem')), cert: await readFile(cert) }
  const server = createServer(files, (request, response) => {
    const storage = `https://${request.headers.host}/v1/AUTH_test`
    const headers = { 'x-auth-token': 'token', 'x-storage-url': storage }
    response.writeHead(request.method === 'PUT' ? 201 : 204, headers).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  t.teardown(() => server.close())
  const says = async (host: string, caFile?: string) => {
    const authUrl = `https://${host}:${port}/auth/v1.0`
    const more = caFile === undefined ? {} : { caFile }
    const given = { authUrl, user: 'a', key: 'b', container: 'images', ...more }
    const store = await openChaseStore(given)
    try {
      await store.check()
      return 'fine'
    } catch (error) {
      return isStoreError(error) ? `${error.code} ${error.message}` : String(error)
    } finally {
      await store.close?.()
    }
  }
  t.match(await says('localhost'), /^DENIED the server’s certificate is not believed .*caFile$/)
  t.equal(await says('localhost', cert), 'fine')
  t.match(await says('127.0.0.1', cert), /^DENIED .*ERR_TLS_CERT_ALTNAME_INVALID/)
})
