import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  classicName,
  createRegistryClient,
  LegacyClient,
  type LegacyFields,
  type RegistryClient
} from '@tank/client'
import t, { type Test } from 'tap'
import { identityHeaders, openStack, P1, P2, type Stack, type Who } from '../../src/stack.ts'

const BYTES = randomBytes(200_000)
const MD5 = createHash('md5').update(BYTES).digest('hex')
const RAW: LegacyFields = { disk_format: 'raw', container_format: 'bare' }

function clientOf(t: Test, url: string, who: Who): LegacyClient {
  const { hostname, port } = new URL(url)
  const address = { host: hostname, port: Number(port) }
  const client = new LegacyClient({ ...address, headers: identityHeaders(who), retries: 0 })
  t.teardown(() => client.close())
  return client
}

async function nameOf(call: Promise<unknown>): Promise<string | undefined> {
  return await call.then(() => 'no failure', classicName)
}

/** A server that knows everything better elsewhere. */
async function redirecting(t: Test, to: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume()
    response.writeHead(302, { location: to + request.url }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, asked }
}

type Records = Pick<RegistryClient, 'listRecords' | 'getRecord'>

/** A registry that is asked for records in vain. */
function failing(registry: RegistryClient, records: Records): RegistryClient {
  return new Proxy(registry, {
    get(target, name) {
      if (name === 'listRecords' || name === 'getRecord') return records[name].bind(records)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

t.test('the classic client and the service', async (t) => {
  const stack: Stack = await openStack()
  t.teardown(() => stack.close())
  const client = clientOf(t, stack.url, P1)
  const other = clientOf(t, stack.url, P2)

  await t.test('V1-02, V1-03, V1-04: an image goes in and comes back', async (t) => {
    const fields = { ...RAW, name: 'Ünïcode 🐧', min_ram: 64, properties: { distro: 'Débian' } }
    const made = await client.addImage(fields, BYTES)
    t.match(made, { name: 'Ünïcode 🐧', status: 'active', size: BYTES.length, checksum: MD5 })
    const meta = await client.getImageMeta(made.id)
    t.match(meta, { ...fields, id: made.id, size: BYTES.length, is_public: false, deleted: false })
    const [shown, data] = await client.getImage(made.id)
    t.equal(shown.checksum, MD5)
    t.ok((await buffer(data)).equals(BYTES))
    t.equal(await nameOf(other.getImageMeta(made.id)), 'NotFound')
    const wanted = { filters: { 'property-distro': 'Débian' }, sort_key: 'name', limit: 5 }
    t.match(await client.getImages(wanted), [{ id: made.id, name: 'Ünïcode 🐧' }])
    t.match(await client.getImagesDetailed(wanted), [{ properties: { distro: 'Débian' } }])
    t.same(await other.getImages(), [])
  })

  await t.test('V1-05, V1-07: reserved first, sent later, then changed and deleted', async (t) => {
    const queued = await client.addImage({ ...RAW, name: 'later' })
    t.equal(queued.status, 'queued')
    const slow = Readable.from([BYTES.subarray(0, 1_000), BYTES.subarray(1_000)])
    t.match(await client.updateImage(queued.id, {}, slow), { status: 'active', checksum: MD5 })
    t.equal(await nameOf(client.updateImage(queued.id, {}, BYTES)), 'Duplicate')
    const kept = await client.updateImage(queued.id, { properties: { a: '1', b: '2' } })
    t.same(kept.properties, { a: '1', b: '2' })
    const more = { 'x-tank-registry-purge-props': false }
    const added = await client.updateImage(queued.id, { properties: { c: '3' } }, null, more)
    t.same(added.properties, { a: '1', b: '2', c: '3' })
    t.same((await client.updateImage(queued.id, { properties: { d: '4' } })).properties, { d: '4' })
    t.equal(await nameOf(client.addImage({ ...RAW, checksum: 'f'.repeat(32) }, BYTES)), 'Invalid')
    t.equal(await nameOf(client.addImage({ disk_format: 'floppy' })), 'Invalid')
    t.equal(await client.deleteImage(queued.id), true)
    t.equal(await nameOf(client.getImage(queued.id)), 'NotFound')
  })

  await t.test('V1-52 to V1-55: shared, replaced, taken back', async (t) => {
    const { id } = await client.addImage({ ...RAW, name: 'shared' }, BYTES)
    t.equal(await client.addMember(id, 'P2'), true)
    t.match(await other.getImageMeta(id), { name: 'shared' })
    t.same(await client.getImageMembers(id), [{ member_id: 'P2', can_share: false }])
    t.same(await other.getMemberImages('P2'), [{ image_id: id, can_share: false }])
    t.equal(await client.addMember(id, 'P2', true), true)
    t.equal(await client.replaceMembers(id, { member_id: 'P3', can_share: true }), true)
    t.same(await client.getImageMembers(id), [{ member_id: 'P3', can_share: true }])
    t.equal(await nameOf(other.getImageMeta(id)), 'NotFound')
    t.equal(await client.deleteMember(id, 'P3'), true)
    t.equal(await nameOf(client.deleteMember(id, 'P3')), 'NotFound')
    t.equal(await nameOf(client.getCachedImages()), 'Forbidden')
  })

  await t.test('V1-108 it is led to the service, and asks what it asked for', async (t) => {
    const front = await redirecting(t, stack.url)
    const { id } = await client.addImage({ ...RAW, name: 'led to' })
    const list = { filters: { name: 'led to' }, limit: 1 }
    t.match(await client.getImages(list), [{ id }], 'without a redirect')
    // who asks is not told to another host: the service lets nobody in
    t.equal(await nameOf(clientOf(t, front.url, P1).getImages(list)), 'NotAuthenticated')
    const open = await stack.openApi({ identity: { mode: 'none' } })
    t.teardown(() => open.stop())
    const second = await redirecting(t, open.url)
    const led = clientOf(t, second.url, P1)
    t.match(await led.getImages({ ...list, filters: { name: 'led to', is_public: 'none' } }), [
      { id }
    ])
    t.same(second.asked, ['GET /v1/images?name=led+to&is_public=none&limit=1'])
    t.match(await led.getImageMeta(id), { name: 'led to' })
  })

  await t.test('V1-109 a registry that is away, and one that is wrong', async (t) => {
    const nowhere = createRegistryClient({ urls: ['http://127.0.0.1:1'], secret: 's' })
    t.teardown(() => nowhere.close())
    const oops = () => Promise.reject(new Error('oops'))
    const without = await stack.openApi({}, (registry) => failing(registry, nowhere))
    t.teardown(() => without.stop())
    const confused = { listRecords: oops, getRecord: oops }
    const wrong = await stack.openApi({}, (registry) => failing(registry, confused))
    t.teardown(() => wrong.stop())
    for (const [api, name, code] of [
      [without, 'ServiceUnavailable', 'UNAVAILABLE'],
      [wrong, 'ServerError', 'INTERNAL']
    ] as const) {
      const asked = clientOf(t, api.url, P1)
      const id = '11111111-2222-4333-8444-555555555555'
      const calls: (() => Promise<unknown>)[] = [
        () => asked.getImages(),
        () => asked.getImageMeta(id)
      ]
      for (const call of calls) {
        await t.rejects(call(), { code }, name)
        t.equal(await nameOf(call()), name)
      }
    }
  })
})
