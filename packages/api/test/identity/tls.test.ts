import { once } from 'node:events'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { loadConfig } from '@tank/service'
import t from 'tap'
import { keystoneIdentity } from '../../src/identity/keystone.ts'
import { keystoneSection } from '../../src/identity/keystone-section.ts'
import { openWhoApp } from './who-app.ts'

// made once with openssl and worth nothing: a certificate for `localhost` that nobody signed
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4/C+Qfj+NyZXOtAQ
luuORWiyZZVetaLunJIal5s2x0uhRANCAAQxzlMFzUk4fhZqC4dj4K/SaMTEGNtS
h4jAVqGhZJA2ykRoTTHUq4Kjp5gkpRE9el/WrB4OhSc+JZ0xg0eb51ei
-----END PRIVATE KEY-----
`
const cert = `-----BEGIN CERTIFICATE-----
MIIBhDCCASugAwIBAgIUKGLWt28RuLXM7GfE4oiddHtvXXowCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjMxODUzNDFaGA8yMTI2MTAzMDE4NTM0MVow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDHOUwXNSTh+
FmoLh2Pgr9JoxMQY21KHiMBWoaFkkDbKRGhNMdSrgqOnmCSlET16X9asHg6FJz4l
nTGDR5vnV6KjaTBnMB0GA1UdDgQWBBQw5Hqpez4+waOrxbb2hGDSxj4wwjAfBgNV
HSMEGDAWgBQw5Hqpez4+waOrxbb2hGDSxj4wwjAPBgNVHRMBAf8EBTADAQH/MBQG
A1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjOPQQDAgNHADBEAiAN7MMe6SIdEct6
4QdjSi9X9lN7zwhHUE/59aK9cC0mXgIgRo16NiIVMkt4bKbFCuv7lAjQ8qbhmxWA
mVwOwK6Krzc=
-----END CERTIFICATE-----
`

/** Keystone as far as that everybody is Ann. */
function answer(method: string | undefined): [number, object] {
  const token = { issued_at: '2026-01-01T00:00:00Z', expires_at: '2099-01-01T00:00:00Z' }
  return method === 'POST' ? [201, { token }] : [200, { token: { ...token, user: { id: 'ann' } } }]
}

t.test('S-04 certificates and names are checked, whatever the environment', async (t) => {
  const server = createServer({ key, cert }, ({ method }, response) => {
    const [status, body] = answer(method)
    response.writeHead(status, { 'x-subject-token': 'own' }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const trusted = join(t.testdir({ 'ca.pem': cert }), 'ca.pem')
  const ask = async (host: string, caFile: string) => {
    const section = loadConfig(keystoneSection, {
      overrides: {
        url: `https://${host}:${port}/v3`,
        user: 'u',
        password: 'p',
        project: 's',
        caFile
      }
    })
    const app = await openWhoApp(t, (app) =>
      app.register(keystoneIdentity, { ...section, authenticateUri: '', anonymous: false })
    )
    const { status } = await app.askWith('token')
    return { status, log: app.log.join('') }
  }
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  t.match(await ask('localhost', ''), { status: 503, log: /SELF_SIGNED_CERT/ })
  t.match(await ask('localhost', trusted), { status: 200 })
  t.match(await ask('127.0.0.1', trusted), { status: 503, log: /ERR_TLS_CERT_ALTNAME_INVALID/ })
})
