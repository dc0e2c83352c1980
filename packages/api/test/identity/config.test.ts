import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RegistryClient } from '@tank/client'
import { createServer, loadConfig } from '@tank/service'
import t from 'tap'
import { apiConfigSchema } from '../../src/config.ts'
import { registerIdentity } from '../../src/identity/register-identity.ts'

const registry = {} as RegistryClient

function identity(given: object) {
  return loadConfig(apiConfigSchema, { overrides: { identity: given } }).identity
}

const jwt = { issuer: 'https://id.example', audience: ['tank'] }
const keystone = { url: 'https://id.example/v3', user: 'u', password: 'p', project: 'service' }
const application = { applicationCredentialId: 'i', applicationCredentialSecret: 's' }

t.test('what is missing for a mode is said at the start', async (t) => {
  const cases: [object, RegExp][] = [
    [{ mode: 'jwt' }, /identity\.jwt: mode jwt needs this section, with issuer and audience/],
    [{ mode: 'keystone' }, /identity\.keystone: mode keystone needs this section, with url, user/],
    [
      { mode: 'jwt', jwt: { ...jwt, issuer: 'http://id.example' } },
      /identity\.jwt\.issuer: .*https/
    ],
    [
      { mode: 'jwt', jwt: { ...jwt, issuer: 'accounts' } },
      /identity\.jwt\.issuer: .*or give jwksUri/
    ],
    [
      { mode: 'jwt', jwt: { ...jwt, jwksUri: 'http://id.example/keys' } },
      /identity\.jwt\.jwksUri: has to be an https URL/
    ],
    [
      { mode: 'jwt', jwt: { ...jwt, caFile: '/nowhere.pem' } },
      /identity\.jwt\.caFile: '\/nowhere.pem' cannot be used: .*no such file/
    ],
    [
      { mode: 'keystone', keystone: { url: keystone.url, user: 'u' } },
      /keystone\.password: missing[\s\S]*keystone\.project: missing/
    ],
    [
      { mode: 'keystone', keystone: { ...keystone, ...application } },
      /user, password, project do not go with an application credential/
    ],
    [
      { mode: 'keystone', keystone: { url: keystone.url, applicationCredentialId: 'i' } },
      /applicationCredentialSecret: missing/
    ],
    [
      { mode: 'keystone', keystone: { url: keystone.url, applicationCredentialSecret: 's' } },
      /applicationCredentialId: missing/
    ],
    [
      { mode: 'keystone', keystone: { ...keystone, url: 'https://a:b@id.example' } },
      /keystone\.url: credentials belong into user and password/
    ],
    [{ mode: 'none', anonymous: true }, /identity\.anonymous: mode none does not know it/],
    [{ mode: 'headers', anonymous: true }, /identity\.anonymous: mode headers does not know it/]
  ]
  for (const [given, message] of cases) {
    const app = createServer()
    t.teardown(() => app.close())
    await t.rejects(registerIdentity(app, identity(given), registry), { message }, String(message))
  }
  const faulty = [
    { mode: 'jwt', jwt: { ...jwt, algorithms: ['HS256'] } },
    { mode: 'jwt', jwt: { ...jwt, algorithms: ['none'] } },
    { mode: 'jwt', jwt: { ...jwt, algorithms: [] } },
    { mode: 'jwt', jwt: { ...jwt, audience: [] } },
    { mode: 'keystone', keystone: { ...keystone, cacheSeconds: -1 } },
    { authenticateUri: 'https://a"\r\nx: y' },
    { mode: 'token' }
  ]
  for (const given of faulty) t.throws(() => identity(given), /identity/, JSON.stringify(given))
})

t.test('a mode that is not known makes nobody an administrator', async (t) => {
  const app = createServer()
  t.teardown(() => app.close())
  const odd = { ...identity({}), mode: 'JWT' as 'jwt' }
  await t.rejects(registerIdentity(app, odd, registry), { message: /'JWT' is not known/ })
})

t.test('whole sections are taken, those of other modes do not matter', async (t) => {
  const password = { ...keystone, url: 'http://127.0.0.1:1/v3' }
  for (const given of [
    { mode: 'none', keystone, jwt },
    { mode: 'jwt', jwt: { ...jwt, issuer: 'http://127.0.0.1:1' }, anonymous: true },
    { mode: 'jwt', jwt: { ...jwt, issuer: 'any', jwksUri: 'http://127.0.0.1:1/k' } },
    { mode: 'keystone', keystone: password, anonymous: true },
    { mode: 'keystone', keystone: { url: password.url, ...application } }
  ]) {
    const app = createServer()
    t.teardown(() => app.close())
    await t.resolves(
      (async () => {
        await registerIdentity(app, identity(given), registry)
        await app.ready()
      })(),
      JSON.stringify(given)
    )
  }
})

t.test('a file without a certificate is no authority', async (t) => {
  const caFile = join(t.testdir(), 'ca.pem')
  await writeFile(caFile, 'nothing')
  const app = createServer()
  t.teardown(() => app.close())
  const given = identity({ mode: 'keystone', keystone: { ...keystone, caFile } })
  await t.rejects(registerIdentity(app, given, registry), {
    message: /ca.pem' cannot be used: no certificate/
  })
})
