import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import {
  keystone,
  keystoneNeeds,
  keystoneUrl,
  login,
  own,
  startWithKeystone
} from '../../src/cloud.ts'
import { qcow2 } from '../../src/disk-images.ts'
import { request } from '../../src/http.ts'
import { digest } from '../../src/imports.ts'
import { testWith } from '../../src/require.ts'
import type { Tank } from '../../src/tank.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(300_000)

const BYTES = qcow2(() => {}, 2_737_856)

/** An image service in the catalogue, in regions of its own. */
async function openCatalogue(t: Test, token: string) {
  const service = await keystone('POST', '/services', token, {
    service: { type: 'image', name: randomUUID() }
  })
  t.equal(service.status, 201)
  const { id: service_id } = service.json.service
  t.teardown(() => keystone('DELETE', `/services/${service_id}`, token))
  const name = `region-${randomUUID().slice(0, 8)}`
  return {
    /** Registers endpoints by their interface; returns the name of the region. */
    async region(which: string, endpoints: Readonly<Record<string, string>>): Promise<string> {
      const id = `${name}-${which}`
      t.equal((await keystone('POST', '/regions', token, { region: { id } })).status, 201)
      for (const [of, url] of Object.entries(endpoints)) {
        const endpoint = { interface: of, url, service_id, region_id: id }
        const made = await keystone('POST', '/endpoints', token, { endpoint })
        t.equal(made.status, 201)
        const path = `/endpoints/${made.json.endpoint.id}`
        t.teardown(() => keystone('DELETE', path, token))
      }
      return id
    }
  }
}

async function call(tank: Tank, token: string, method: string, path: string, body?: object) {
  const answer = await request(`${tank.url}${path}`, {
    method,
    headers: {
      'x-auth-token': token,
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = answer.body.toString()
  return { ...answer, json: text.startsWith('{') ? JSON.parse(text) : undefined }
}

const IMAGE = { name: 'there', disk_format: 'qcow2', container_format: 'bare' }

async function made(tank: Tank, token: string): Promise<string> {
  const fields = { ...IMAGE, visibility: 'private', hw_disk_bus: 'scsi', note: 'left' }
  const { json } = await call(tank, token, 'POST', '/v2/images', fields)
  const sent = await request(`${tank.url}/v2/images/${json.id}/file`, {
    method: 'PUT',
    headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' },
    body: BYTES
  })
  if (sent.status !== 204) throw new Error(`the upload: ${sent.status}`)
  return json.id
}

/** Two services that one Keystone knows, the first as two regions in its catalogue. */
async function open(t: Test) {
  const admin = await login('admin', 'admin')
  const remote = await startWithKeystone(t)
  const catalogue = await openCatalogue(t, admin.token)
  const two = await catalogue.region('two', { public: remote.url, internal: `${remote.url}/v2` })
  const gone = await catalogue.region('gone', { public: 'http://127.0.0.1:1' })
  const account = { user: 'admin', password: 'adminpw', project: 'admin' }
  const region = { keystone: { url: keystoneUrl, ...account } }
  const tank = await startWithKeystone(t, own, {
    jobs: { pollSeconds: 0.1 },
    imports: {
      methods: ['glance-direct', 'glance-download'],
      glanceDownload: { regions: { [two]: region, [gone]: region } }
    }
  })
  return { remote, tank, two, gone }
}

await testWith(t, 'regions of one cloud, with a real Keystone', keystoneNeeds, async (t) => {
  const { remote, tank, two, gone } = await open(t)
  const [member, reader, other] = [
    await login('member', 'one'),
    await login('reader', 'one'),
    await login('other', 'two')
  ]
  const source = await made(remote, member.token)
  const ask = async (token: string, more: object = {}) => {
    const { json } = await call(tank, token, 'POST', '/v2/images', { ...IMAGE, disk_format: 'raw' })
    const method = { name: 'glance-download', glance_region: two, glance_image_id: source, ...more }
    const path = `/v2/images/${json?.id}`
    return { path, ...(await call(tank, token, 'POST', `${path}/import`, { method })) }
  }
  const active = (token: string, path: string) =>
    until(`${path} is active`, 60_000, async () => {
      const { json } = await call(tank, token, 'GET', path)
      return json.status === 'active' ? json : undefined
    })
  const failure = async (token: string, path: string): Promise<string> => {
    const { json } = await call(tank, token, 'GET', `${path}/tasks`)
    t.match(json.tasks, [{ status: 'failure' }], 'the task says it at once')
    t.equal((await call(tank, token, 'GET', path)).json.status, 'queued')
    return json.tasks[0].message
  }

  await t.test('IMP18: a private image comes with its formats and properties', async (t) => {
    for (const more of [{}, { glance_service_interface: 'internal' }]) {
      const { status, path } = await ask(member.token, more)
      t.equal(status, 202)
      const image = await active(member.token, path)
      t.match(image, { disk_format: 'qcow2', hw_disk_bus: 'scsi', os_hash_value: digest(BYTES) })
      t.notOk('note' in image)
      const { body } = await call(tank, member.token, 'GET', `${path}/file`)
      t.ok(body.equals(BYTES))
    }
  })

  await t.test('IMP17: another project gets nothing of it, whatever the account may', async (t) => {
    const { status, path } = await ask(other.token)
    t.equal(status, 202)
    t.match(await failure(other.token, path), /There is no image/)
    t.equal((await ask(reader.token)).status, 404, 'who may not create has no image to import into')
  })

  await t.test('IMP17: regions and interfaces that are not there, or do not answer', async (t) => {
    const cases: [object, RegExp][] = [
      [{ glance_region: 'RegionOne' }, /'RegionOne' is not known/],
      [{ glance_service_interface: 'admin' }, /no image service at its interface 'admin'/],
      [{ glance_region: gone }, /does not answer/]
    ]
    for (const [more, message] of cases) {
      const { status, path } = await ask(member.token, more)
      t.equal(status, 202)
      t.match(await failure(member.token, path), message)
    }
  })

  await t.test('S-02: the work needs no token of the caller, and shows none', async (t) => {
    const { token } = await login('member', 'one')
    const { status, path } = await ask(token)
    t.equal(status, 202)
    const revoked = await request(`${keystoneUrl}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': token, 'x-subject-token': token }
    })
    t.equal(revoked.status, 204)
    t.match(await active(member.token, path), { os_hash_value: digest(BYTES) })
    const { json } = await call(tank, member.token, 'GET', `${path}/tasks`)
    for (const secret of [token, member.token, other.token, 'adminpw', own.password]) {
      for (const text of [tank.log, remote.log, JSON.stringify(json)]) t.notMatch(text, secret)
    }
  })
})
