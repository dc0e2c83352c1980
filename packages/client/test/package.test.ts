import { createRequire } from 'node:module'
import t from 'tap'
import * as imported from '../src/index.ts'

t.test('works with import and with require', async (t) => {
  const required: unknown = createRequire(import.meta.url)('@tank/client')
  t.type(required, 'object')
  t.same(Object.keys(Object(required)).sort(), Object.keys(imported).sort())
  t.same(Object.keys(imported).sort(), [
    'LegacyClient',
    'TankClient',
    'TankClientError',
    'applicationCredentialAuth',
    'authFromEnvironment',
    'classicName',
    'clientCredentialsAuth',
    'createRegistryClient',
    'createTankClient',
    'customProperties',
    'getLegacyClient',
    'isTankClientError',
    'openTankClient',
    'passwordAuth'
  ])
})

t.test('has the image client alone for small programs', async (t) => {
  const small = await import('@tank/client/tank-client')
  t.same(Object.keys(small).sort(), [
    'TankClient',
    'TankClientError',
    'createTankClient',
    'isTankClientError'
  ])
  t.equal(small.createTankClient, imported.createTankClient)
})
