import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keystone, keystoneUrl, login, startWithKeystone } from '../../src/cloud.ts'
import { command } from '../../src/command.ts'
import { missingVariable, testWith } from '../../src/require.ts'
import { program, tempFolder } from '../../src/tank.ts'

t.setTimeout(180_000)

const needs = [missingVariable('TANK_TEST_KEYSTONE_URL', 'e2e/servers/keystone.sh start')]

await testWith(t, 'the tank command in an environment of OpenStack', needs, async (t) => {
  const tank = await startWithKeystone(t)
  const folder = await tempFolder(t)
  const base = { PATH: process.env.PATH ?? '', HOME: folder, OS_AUTH_URL: keystoneUrl }
  const endpoint = { OS_ENDPOINT: tank.url }
  const domains = { OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default' }
  const person = (user: string, project: string) => ({
    ...domains,
    OS_USERNAME: user,
    OS_PASSWORD: `${user}pw`,
    OS_PROJECT_NAME: project
  })
  const run = (args: readonly string[], env: Record<string, string>) =>
    command(process.execPath, [program, ...args], { env: { ...base, ...env } })
  const names = async (env: Record<string, string>) => {
    const { code, stdout, stderr } = await run(['image', 'list', '-o', 'value', '-c', 'name'], env)
    return code === 0 ? stdout.trim() : stderr
  }

  const file = join(folder, 'disk.raw')
  await writeFile(file, 'bytes of a disk')
  const member = { ...endpoint, ...person('member', 'one') }
  t.match(await run(['push', file], member), { code: 0, stdout: /^[0-9a-f-]{36}\n$/ })
  t.equal(await names(member), 'disk')
  t.equal(await names({ ...endpoint, ...person('other', 'two') }), '', 'another project')
  t.match(await run(['index'], member), { code: 0, stdout: /disk/ }, 'the classic commands, too')

  const { token, userId } = await login('member', 'one')
  t.equal(await names({ ...endpoint, OS_TOKEN: token }), 'disk')
  const credential = { name: `tank-${Date.now()}`, secret: 'of the test' }
  const path = `/users/${userId}/application_credentials`
  const made = await keystone('POST', path, token, { application_credential: credential })
  const { id } = made.json.application_credential
  t.teardown(() => keystone('DELETE', `${path}/${id}`, token))
  const secret = {
    OS_APPLICATION_CREDENTIAL_ID: String(id),
    OS_APPLICATION_CREDENTIAL_SECRET: credential.secret
  }
  t.equal(await names({ ...endpoint, ...secret }), 'disk')

  const wrong = await run(['image', 'list'], { ...member, OS_PASSWORD: 'wrong' })
  t.match(wrong, { code: 4, stderr: /refused the credentials/ })
})
