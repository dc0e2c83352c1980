import { createRequire } from 'node:module'
import t from 'tap'
import * as imported from '../src/index.ts'

t.test('works with import and with require', async (t) => {
  const required: unknown = createRequire(import.meta.url)('@tank/client')
  t.type(required, 'object')
  t.same(Object.keys(Object(required)).sort(), Object.keys(imported).sort())
  t.same(Object.keys(imported).sort(), [
    'TankClientError',
    'applicationCredentialAuth',
    'authFromEnvironment',
    'clientCredentialsAuth',
    'createRegistryClient',
    'createTankClient',
    'customProperties',
    'isTankClientError',
    'openTankClient',
    'passwordAuth'
  ])
})
