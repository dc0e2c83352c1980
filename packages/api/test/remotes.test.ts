import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { loadConfig } from '@tank/service'
import t, { type Test } from 'tap'
import { apiConfigSchema, checkRemotes } from '../src/config.ts'
import { openRemotes } from '../src/remotes/remotes.ts'
import { FakeKeystone, PASSWORD } from './identity/fake-keystone.ts'
import { BAD_MOODS, FakeServer } from './identity/fake-server.ts'
import { Clock } from './identity/who-app.ts'

const ID = 'c0ffee00-0000-4000-8000-000000000001'
const DATA = 'bytes of an image'
const ASKED = { interface: 'public', imageId: ID } as const
const RECORD = {
  id: ID,
  status: 'active',
  size: DATA.length,
  disk_format: 'qcow2',
  container_format: 'bare',
  checksum: 'cd'.repeat(16),
  os_hash_algo: 'sha512',
  os_hash_value: 'AB'.repeat(64),
  hw_disk_bus: 'scsi'
}
const FILE = `/v2/images/${ID}/file`

/** An image service that knows some tokens. */
async function openService(t: Test) {
  const tokens = new Set<string>()
  const asked: { readonly path: string; readonly token: string; readonly range: string }[] = []
  const own = { record: RECORD as object, fileStatus: 200 }
  const server = await FakeServer.open(
    t,
    ({ url = '', headers }: IncomingMessage, response: ServerResponse) => {
      const token = String(headers['x-auth-token'] ?? '')
      asked.push({ path: url, token, range: String(headers.range ?? '') })
      if (!tokens.has(token)) response.writeHead(401).end()
      else if (url === `/v2/images/${ID}`) response.end(JSON.stringify(own.record))
      else if (url === FILE) response.writeHead(own.fileStatus).end(DATA)
      else response.writeHead(404).end()
    }
  )
  return { tokens, asked, own, server }
}

const accountAt = (keystone: FakeKeystone, more: object = {}) => ({
  url: `${keystone.server.url}/v3`,
  user: 'tank',
  password: PASSWORD,
  project: 'service',
  timeoutSeconds: 2,
  ...more
})

async function open(t: Test, region: object, mode = 'keystone', now = Date.now) {
  const config = loadConfig(apiConfigSchema, {
    overrides: {
      identity: { mode },
      imports: { methods: ['glance-download'], glanceDownload: { regions: { two: region } } }
    }
  })
  const remotes = await openRemotes(config, now)
  t.teardown(() => remotes.close())
  return remotes.region('two')
}

t.test('IMP18: a caller gets what he himself may see and read', async (t) => {
  const { server, tokens, asked, own } = await openService(t)
  const region = await open(t, { endpoints: { public: `${server.url}/v2/` }, token: 'of-tank' })
  tokens.add('of-ann').add('of-tank')
  t.match(await region.look(ASKED, 'of-ann'), {
    size: DATA.length,
    diskFormat: 'qcow2',
    containerFormat: 'bare',
    digest: { algorithm: 'sha512', value: 'ab'.repeat(64) },
    properties: { hw_disk_bus: 'scsi' }
  })
  t.same(asked, [
    { path: `/v2/images/${ID}`, token: 'of-ann', range: '' },
    { path: FILE, token: 'of-ann', range: 'bytes=0-0' }
  ])
  await t.rejects(region.look(ASKED, 'of-bob'), { code: 'FORBIDDEN' })
  await t.rejects(region.look(ASKED, undefined), { code: 'FORBIDDEN' })
  const other = { ...ASKED, imageId: randomUUID() }
  await t.rejects(region.look(other, 'of-ann'), { code: 'INVALID_REQUEST' })
  own.fileStatus = 403
  await t.rejects(region.look(ASKED, 'of-ann'), { code: 'FORBIDDEN' }, 'seen, but not to be read')
  for (const status of [200, 206, 416]) {
    own.fileStatus = status
    await t.resolves(region.look(ASKED, 'of-ann'), `${status}`)
  }
  t.notOk(
    asked.some(({ token }) => token === 'of-tank'),
    'nothing was asked in the name of Tank'
  )
})

t.test('IMP18: the best digest that the record has is taken', async (t) => {
  const { server, tokens, own } = await openService(t)
  const region = await open(t, { endpoints: { public: server.url }, access: 'account', token: 'x' })
  tokens.add('x')
  const md5 = { algorithm: 'md5', value: RECORD.checksum }
  const cases: [object, object | undefined][] = [
    [{ os_hash_algo: 'blake2b' }, md5],
    [{ os_hash_value: null, os_hash_algo: null }, md5],
    [{ os_hash_value: 'ab' }, md5],
    [{ os_hash_value: null, checksum: null }, undefined],
    [{ os_hash_value: 'zz'.repeat(64), checksum: undefined }, undefined]
  ]
  for (const [change, digest] of cases) {
    own.record = { ...RECORD, ...change }
    t.same((await region.show(ASKED)).digest, digest, JSON.stringify(change))
  }
  for (const wrong of [{ id: randomUUID() }, { size: -1 }, { size: '5' }, { status: 7 }]) {
    own.record = { ...RECORD, ...wrong }
    await t.rejects(region.show(ASKED), { code: 'DATA_UNAVAILABLE' }, JSON.stringify(wrong))
  }
  own.record = { ...RECORD, status: 'importing', size: null }
  await t.rejects(region.show(ASKED), { code: 'IMAGE_STATE', message: /is importing/ })
})

/** A region whose account Keystone knows, and that takes whatever Keystone gave last. */
async function openWithKeystone(t: Test, region: object = {}) {
  const clock = new Clock()
  const keystone = await FakeKeystone.open(t, clock)
  const service = await openService(t)
  const endpoints = { public: service.server.url }
  const section = { access: 'account', endpoints, keystone: accountAt(keystone), ...region }
  const opened = await open(t, section, 'headers', clock.now)
  const accept = () => {
    service.tokens.clear()
    for (const each of keystone.own) service.tokens.add(each)
  }
  return { clock, keystone, ...service, region: opened, accept }
}

t.test('IMP18: a token of the account that is refused is renewed once', async (t) => {
  const { clock, keystone, tokens, asked, region, accept } = await openWithKeystone(t)
  await t.rejects(region.show(ASKED), { code: 'IDENTITY_UNAVAILABLE' }, 'it is too new to be old')
  accept()
  const image = await region.show(ASKED)
  t.equal(keystone.logins.length, 1, 'one token for all')

  tokens.clear()
  clock.pass(10)
  keystone.server.requests.length = 0
  asked.length = 0
  await t.rejects(region.show(ASKED), { code: 'FORBIDDEN' })
  t.equal(keystone.server.count('POST '), 1)
  t.equal(new Set(asked.map(({ token }) => token)).size, 2, 'with the old one, and a new one')
  t.equal(asked.length, 2, 'and no further')

  clock.pass(10)
  const known = new Set(keystone.own)
  const late = region.read(ASKED, image, AbortSignal.timeout(10_000))
  while (keystone.own.size === known.size) await new Promise(setImmediate)
  accept()
  const { body, size } = await late
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  t.equal(Buffer.concat(chunks).toString(), DATA)
  t.equal(size, DATA.length)
  t.notMatch(JSON.stringify(asked), PASSWORD)
})

t.test('IMP17: endpoints come from the catalogue where the configuration has none', async (t) => {
  const { keystone, region, accept, server } = await openWithKeystone(t, { endpoints: {} })
  const place = (region_id: string | null, name: string, url: string) => ({
    id: randomUUID(),
    region_id,
    interface: name,
    url
  })
  const elsewhere = 'http://127.0.0.1:1'
  keystone.catalog = [
    { type: 'compute', endpoints: [place('two', 'public', elsewhere)] },
    {
      type: 'image',
      endpoints: [
        place(null, 'public', elsewhere),
        place('one', 'public', elsewhere),
        place('two', 'admin', elsewhere),
        place('two', 'public', server.url)
      ]
    }
  ]
  await t.rejects(region.show(ASKED))
  accept()
  t.match(await region.show(ASKED), { status: 'active' })
  const internal = { ...ASKED, interface: 'internal' } as const
  await t.rejects(region.show(internal), {
    message: /no image service at its interface 'internal'/
  })
})

t.test('IMP18: a service in a bad mood', async (t) => {
  const { server, tokens } = await openService(t)
  const endpoints = { public: server.url }
  const section = { access: 'account', endpoints, token: 'canary-token', timeoutSeconds: 0.3 }
  const region = await open(t, section)
  tokens.add('canary-token')
  for (const mood of BAD_MOODS.filter((each) => each !== 'floods')) {
    server.mood = mood
    const error = await region.show(ASKED).catch((each: unknown) => each)
    t.match(error, { code: 'DATA_UNAVAILABLE' }, mood)
    t.notMatch(inspect(error, { depth: 9 }), 'canary-token', 'S-02')
  }
  t.notOk(
    server.requests.some((each) => each.includes('elsewhere')),
    'no redirect is followed'
  )
})

t.test('a region that cannot be is refused at start', (t) => {
  const faultsOf = (region: object, mode = 'headers', methods = ['glance-download']) => {
    const glanceDownload = { regions: { two: region } }
    const overrides = { identity: { mode }, imports: { methods, glanceDownload } }
    const faults: string[] = []
    checkRemotes(loadConfig(apiConfigSchema, { overrides }), (at, why) => {
      faults.push(`${at}: ${why}`)
    })
    return faults.join('\n')
  }
  const endpoints = { public: 'https://images.example.org' }
  const keystone = { url: 'https://id.example.org', user: 'a', password: 'b', project: 'c' }
  t.equal(faultsOf({ access: 'account', endpoints }), '')
  t.equal(faultsOf({ access: 'account', keystone }), '')
  t.equal(faultsOf({ endpoints }, 'keystone'), '')
  t.match(faultsOf({ endpoints }), /regions\/two: access 'caller' needs the identity mode keystone/)
  t.match(faultsOf({ access: 'account' }), /needs endpoints/)
  t.match(faultsOf({ access: 'account', endpoints, token: 'x', keystone }), /give one of them/)
  const nobody = { ...keystone, password: '' }
  t.match(faultsOf({ access: 'account', keystone: nobody }), /keystone.password: missing/)
  const leaky = { public: 'https://user:canary@images.example.org' }
  t.match(faultsOf({ access: 'account', endpoints: leaky }), /not into a URL/)
  t.notMatch(faultsOf({ access: 'account', endpoints: leaky }), 'canary')
  const none = { imports: { methods: ['glance-download'] } }
  const faults: string[] = []
  checkRemotes(loadConfig(apiConfigSchema, { overrides: none }), (at) => faults.push(at))
  t.same(faults, ['/imports/glanceDownload/regions'])
  t.end()
})
