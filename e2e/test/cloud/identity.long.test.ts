import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import {
  keystone,
  keystoneNeeds,
  keystoneUrl,
  login,
  own,
  startCloud,
  startWithKeystone
} from '../../src/cloud.ts'
import { startAlone } from '../../src/cluster.ts'
import { command } from '../../src/command.ts'
import { request } from '../../src/http.ts'
import { openIssuer } from '../../src/issuer.ts'
import { testWith } from '../../src/require.ts'
import { program, type Tank, tempFolder } from '../../src/tank.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(600_000)

/** Requests with a token, or without one. */
function caller(tank: Tank, token?: string) {
  return async (method: string, path: string, body?: object) => {
    const answer = await request(`${tank.url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { 'x-auth-token': token }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = answer.body.toString()
    return { ...answer, json: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
}

const IMAGE = { name: 'one', disk_format: 'raw', container_format: 'bare' }

t.test('mode jwt in tank serve, and anonymous readers', async (t) => {
  const issuer = await openIssuer(t)
  const jwt = {
    issuer: issuer.url,
    audience: ['tank'],
    claims: { roles: 'realm_access.roles' },
    roleMap: { 'cloud-admin': 'admin', 'cloud-user': 'member', 'cloud-guest': 'reader' }
  }
  const { tank } = await startAlone(t, { identity: { mode: 'jwt', anonymous: true, jwt } })
  const tokenOf = (user: string, project: string, role: string) =>
    issuer.sign({ sub: user, project_id: project, realm_access: { roles: [role] } })
  const ann = caller(tank, tokenOf('ann', 'P1', 'cloud-user'))
  const bob = caller(tank, tokenOf('bob', 'P2', 'cloud-user'))
  const guest = caller(tank, tokenOf('eve', 'P1', 'cloud-guest'))
  const root = caller(tank, tokenOf('root', 'ops', 'cloud-admin'))
  const anonymous = caller(tank)

  const made = await ann('POST', '/v2/images', { ...IMAGE, visibility: 'private' })
  t.match(made, { status: 201, json: { owner: 'P1' } })
  const path = `/v2/images/${made.json.id}`
  t.equal((await bob('GET', path)).status, 404)
  t.equal((await guest('GET', path)).status, 200)
  t.equal((await guest('POST', '/v2/images', IMAGE)).status, 403)
  t.equal((await root('GET', path)).status, 200)

  const open = await root('POST', '/v2/images', { ...IMAGE, visibility: 'public' })
  t.equal(open.status, 201)
  const listed = await anonymous('GET', '/v2/images')
  t.match(listed, { status: 200, json: { images: [{ id: open.json.id }] } })
  t.equal(listed.json.images.length, 1, 'anonymous callers see what is public')
  t.equal((await anonymous('GET', path)).status, 404)
  t.equal((await anonymous('POST', '/v2/images', IMAGE)).status, 403)
  t.equal((await anonymous('DELETE', `/v2/images/${open.json.id}`)).status, 403)
  t.equal((await anonymous('GET', `/v2/images/${open.json.id}/file`)).status, 403)
  const wrong = await caller(tank, 'wrong')('GET', '/v2/images')
  t.equal(wrong.status, 401, 'a wrong token is not the same as none')
  t.match(wrong.headers['www-authenticate'], /^Bearer realm="tank", error="invalid_token"$/)
})

t.test('every configuration of the documents on identity and imports is valid', async (t) => {
  const blocks = ['identity', 'openstack', 'import'].flatMap((page) => {
    const text = readFileSync(new URL(`../../../../docs/${page}.md`, import.meta.url), 'utf8')
    return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  })
  t.ok(blocks.length >= 6)
  const folder = await tempFolder(t)
  for (const [n, block] of blocks.entries()) {
    const file = join(folder, `${n}.yaml`)
    await writeFile(file, block)
    const env = {
      PATH: process.env.PATH,
      KEYSTONE_PASSWORD: 'x',
      KEYSTONE_SECRET: 'y',
      LAB_TOKEN: 'z'
    }
    const { code, stderr } = await command(
      process.execPath,
      [program, 'check-config', '--config', file],
      { env }
    )
    t.equal(code, 0, block.slice(0, 60), { stderr })
  }
})

await testWith(
  t,
  'HTP1 openstack with a real Keystone: who sees and does what',
  keystoneNeeds,
  async (t) => {
    const { tank, folder, as } = await startCloud(t)
    const [admin, member, reader, other] = [as('admin'), as('member'), as('reader'), as('other')]
    const file = join(folder, 'in.raw')
    await writeFile(file, 'bytes of an image')

    const made = await member.json('image', 'create', '--file', file, '--private', 'mine')
    t.match(made, { name: 'mine', visibility: 'private' })
    const { id: project } = await admin.json('project', 'show', 'one')
    t.match(await member.json('image', 'show', 'mine'), { id: made.id, owner: project, size: 17 })
    for (const who of [member, reader, admin]) {
      t.match(await who.json('image', 'list'), [{ ID: made.id, Name: 'mine', Status: 'active' }])
    }
    t.same(await other.json('image', 'list'), [])
    const unseen = await other.run('image', 'show', made.id)
    t.not(unseen.code, 0)
    t.match(unseen.stderr, /No Image found/i, 'another project finds nothing')

    await reader.denied('image', 'create', '--file', file, 'theirs')
    await reader.denied('image', 'set', '--name', 'x', made.id)
    await member.denied('image', 'set', '--public', made.id)
    await admin.ok('image', 'set', '--public', made.id)
    t.match(await other.json('image', 'list'), [{ ID: made.id }])

    const refused = await caller(tank, 'gAAAAAwrong')('GET', '/v2/images')
    t.match(refused, { status: 401, json: { error: { code: 401 } } })
    t.equal(refused.headers['www-authenticate'], `Keystone uri="${keystoneUrl}"`)
  }
)

await testWith(
  t,
  'a real Keystone: application credentials, service tokens, revocation',
  keystoneNeeds,
  async (t) => {
    const service = await login(own.user, own.project)
    const made = await keystone(
      'POST',
      `/users/${service.userId}/application_credentials`,
      service.token,
      {
        application_credential: { name: randomUUID() }
      }
    )
    t.equal(made.status, 201)
    const { id, secret } = made.json.application_credential
    const tank = await startWithKeystone(t, {
      applicationCredentialId: id,
      applicationCredentialSecret: secret
    })
    const { token } = await login('member', 'one')
    const call = caller(tank, token)
    t.equal((await call('GET', '/v2/images')).status, 200)

    const detail = '/v2/info/stores/detail'
    t.equal((await call('GET', detail)).status, 403)
    const asService = await request(`${tank.url}${detail}`, {
      headers: { 'x-auth-token': token, 'x-service-token': service.token }
    })
    t.equal(asService.status, 200, 'a service acts for the user')

    const { id: image } = (await call('POST', '/v2/images', IMAGE)).json
    const body = new PassThrough()
    body.write(Buffer.alloc(300_000, 1))
    const upload = request(`${tank.url}/v2/images/${image}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' },
      body
    })
    await until('the upload goes on', 30_000, async () =>
      (await call('GET', `/v2/images/${image}`)).json.status === 'saving' ? true : undefined
    )
    const revoked = await request(`${keystoneUrl}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': token, 'x-subject-token': token }
    })
    t.equal(revoked.status, 204)
    await until('the token is refused', 30_000, async () =>
      (await call('GET', '/v2/images')).status === 401 ? true : undefined
    )
    body.end(Buffer.alloc(300_000, 2))
    t.equal((await upload).status, 204, 'an upload outlives the token that it began with')
    const { token: fresh } = await login('member', 'one')
    t.match(await caller(tank, fresh)('GET', `/v2/images/${image}`), {
      json: { status: 'active', size: 600_000 }
    })
    for (const each of [token, service.token, secret]) {
      t.notOk(tank.log.includes(each), 'S-02: the log shows no token and no secret')
    }
  }
)
