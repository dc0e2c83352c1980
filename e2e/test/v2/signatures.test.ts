import { createSign, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { RegistryClient } from '@tank/client'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { request } from '../../src/http.ts'
import { digest, holds, importBy, over, show, tasks } from '../../src/imports.ts'
import { expiredCertificate, signingCertificate, signingKey } from '../../src/signing-keys.ts'
import { identityHeaders, openStack, P1, type Stack } from '../../src/stack.ts'
import { meta, v1Of } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const GOOD = 'b5e0a7c2-0000-4000-8000-000000000001'
const EXPIRED = 'b5e0a7c2-0000-4000-8000-000000000002'
const UNKNOWN = 'b5e0a7c2-0000-4000-8000-000000000003'
const STORES = { main: { use: 'a', weight: 10 }, b: { use: 'b' }, web: { use: 'web' } }
const DOES_NOT_FIT = 'The signature of the image does not fit its data'

function signed(bytes: Buffer, change: object = {}) {
  return {
    img_signature: createSign('sha256').update(bytes).sign(signingKey, 'base64'),
    img_signature_hash_method: 'SHA-256',
    img_signature_key_type: 'ECC_SECP384R1',
    img_signature_certificate_uuid: GOOD,
    ...change
  }
}

async function open(t: Test, isConfigured = true, api: object = {}) {
  const folder = t.testdir({ 'good.pem': signingCertificate, 'expired.pem': expiredCertificate })
  const certificates = {
    [GOOD]: join(folder, 'good.pem'),
    [EXPIRED]: join(folder, 'expired.pem')
  }
  const [main, b, web] = [new FakeStore(), new FakeStore(), new FakeStore()]
  const stack = await openStack({
    api: {
      stores: STORES,
      defaultStore: 'main',
      jobs: { pollSeconds: 0.1 },
      ...(isConfigured ? { signatures: { certificates } } : {}),
      ...api
    },
    plugins: { a: main.plugin(), b: b.plugin(), web: web.plugin('web') }
  })
  t.teardown(() => stack.close())
  return { stack, main, b, web }
}

const isEmpty = (...stores: FakeStore[]) =>
  until('nothing is left in the stores', 5000, () =>
    stores.every((store) => store.bytes.size === 0) ? true : undefined
  )

const message = (body: Buffer) => JSON.parse(body.toString()).error.message as string

const stage = (stack: Stack, id: string, body: Buffer) =>
  stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
    headers: { 'content-type': 'application/octet-stream', 'content-length': body.length },
    body
  })

t.test('signed uploads', async (t) => {
  const { stack, main, b } = await open(t)

  await t.test('SIG1: a good signature is active, its properties ordinary then', async (t) => {
    for (const size of [0, 1000, 3 << 20]) {
      const bytes = randomBytes(size)
      const { id } = await stack.create(P1, signed(bytes))
      t.equal((await stack.upload(P1, id, bytes)).status, 204, `${size} bytes`)
      t.match(await show(stack, id), {
        status: 'active',
        size,
        img_signature_hash_method: 'SHA-256'
      })
      t.ok((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).body.equals(bytes))
      const change = [{ op: 'replace', path: '/img_signature', value: 'anything' }]
      t.equal((await stack.patch(P1, id, change)).status, 200)
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    }
    await isEmpty(main, b)
  })

  await t.test('SIG1: a wrong one is 400, queued, empty, and right data comes after', async (t) => {
    for (const size of [1000, 3 << 20]) {
      const bytes = randomBytes(size)
      const other = Buffer.from(bytes)
      other[size - 1] = (other[size - 1] ?? 0) ^ 1
      const { id } = await stack.create(P1, signed(bytes))
      const answer = await stack.upload(P1, id, other)
      t.equal(answer.status, 400)
      t.match(message(answer.body), DOES_NOT_FIT)
      t.match(await show(stack, id), { status: 'queued', size: null, checksum: null })
      t.notOk('stores' in (await show(stack, id)))
      await isEmpty(main, b)
      t.equal((await stack.upload(P1, id, bytes)).status, 204)
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
      await isEmpty(main, b)
    }
  })

  await t.test('SIG1: three of four properties are not verified', async (t) => {
    const all = signed(Buffer.from('something else'))
    for (const name of Object.keys(all)) {
      const { [name]: _left, ...three } = all as Record<string, string>
      const { id } = await stack.create(P1, three)
      t.equal((await stack.upload(P1, id, 'data')).status, 204, `no ${name}`)
    }
  })

  await t.test(
    'SIG1, S-14: what cannot be verified is refused before a byte is stored',
    async (t) => {
      const bytes = randomBytes(1000)
      const { puts } = main
      for (const [change, said] of [
        [{ img_signature_certificate_uuid: UNKNOWN }, /no certificate/],
        [{ img_signature_certificate_uuid: EXPIRED }, /expired on Feb +1 .* 2020/],
        [{ img_signature_hash_method: 'MD5' }, /one of SHA-224, SHA-256, SHA-384, SHA-512/],
        [{ img_signature_key_type: 'ECC_P256' }, /key_type has to be one of RSA-PSS/],
        [{ img_signature_key_type: 'RSA-PSS' }, /not one for/],
        [{ img_signature: '!' }, /base64/]
      ] as const) {
        const { id } = await stack.create(P1, signed(bytes, change))
        const answer = await stack.upload(P1, id, bytes)
        t.equal(answer.status, 400)
        t.match(message(answer.body), said)
        t.match(await show(stack, id), { status: 'queued', size: null })
      }
      t.equal(main.puts, puts)
    }
  )
})

t.test('SIG1: without certificates every signed image is refused', async (t) => {
  const { stack, main, b } = await open(t, false)
  const bytes = randomBytes(1000)
  const { id } = await stack.create(P1, signed(bytes))
  const answer = await stack.upload(P1, id, bytes)
  t.equal(answer.status, 400)
  t.match(message(answer.body), /no certificate/)
  const staged = await stack.create(P1, signed(bytes))
  t.equal((await stage(stack, staged.id, bytes)).status, 204)
  t.equal((await importBy(stack, staged.id, { name: 'glance-direct' })).status, 202)
  t.match(await over(stack, staged.id), { status: 'queued', size: null })
  await isEmpty(main, b)
})

t.test('signed imports', async (t) => {
  const { stack, main, b, web } = await open(t)
  const failed = async (t: Test, id: string, said: string | RegExp) => {
    t.match(await over(stack, id), { status: 'queued', size: null, checksum: null })
    t.match(await tasks(stack, id), [{ status: 'failure', message: said }])
    await isEmpty(main, b)
  }

  for (const stores of [['main'], ['b'], ['main', 'b']]) {
    const name = stores.join(' and ')
    await t.test(`SIG1: staged data for ${name} is verified at the import`, async (t) => {
      const bytes = randomBytes(2 << 20)
      const late = await stack.create(P1)
      t.equal((await stage(stack, late.id, bytes)).status, 204)
      const add = Object.entries(signed(Buffer.from('other'))).map(([key, value]) => ({
        op: 'add',
        path: `/${key}`,
        value
      }))
      t.equal((await stack.patch(P1, late.id, add)).status, 200)
      const method = { name: 'glance-direct' }
      t.equal((await importBy(stack, late.id, method, { stores })).status, 202)
      await failed(t, late.id, DOES_NOT_FIT)

      const { id } = await stack.create(P1, signed(bytes))
      t.equal((await stage(stack, id, bytes)).status, 204)
      t.equal((await importBy(stack, id, method, { stores })).status, 202)
      t.match(await over(stack, id), { status: 'active', stores: stores.join(',') })
      t.ok((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).body.equals(bytes))
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
      await isEmpty(main, b)
    })
  }

  await t.test('SIG1: fetched data is verified while it comes', async (t) => {
    const bytes = randomBytes(2 << 20)
    const uri = 'http://outside.test/image'
    web.bytes.set(uri, bytes)
    const method = { name: 'web-download', uri }
    for (const all_stores_must_succeed of [true, false]) {
      const stores = { stores: ['main', 'b'], all_stores_must_succeed }
      const bad = await stack.create(P1, signed(Buffer.from('other')))
      const { gets } = web
      t.equal((await importBy(stack, bad.id, method, stores)).status, 202)
      await failed(t, bad.id, DOES_NOT_FIT)
      t.equal(web.gets, gets + 1, 'it is not fetched again for the other store')

      const { id } = await stack.create(P1, signed(bytes))
      t.equal((await importBy(stack, id, method, stores)).status, 202)
      t.match(await over(stack, id), { status: 'active', size: bytes.length })
      t.ok(holds(main, bytes) && holds(b, bytes))
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
      await isEmpty(main, b)
    }
    const unknown = signed(bytes, { img_signature_certificate_uuid: UNKNOWN })
    const { id } = await stack.create(P1, unknown)
    const { gets } = web
    t.equal((await importBy(stack, id, method)).status, 202)
    await failed(t, id, /no certificate/)
    t.equal(web.gets, gets, 'nothing was fetched')
  })
})

t.test('data of signed images that lies outside', async (t) => {
  const url = 'http://outside.test/image'
  const add = (stack: Stack, id: string, more: object = {}) =>
    stack.json(P1, 'POST', `/v2/images/${id}/locations`, { url, ...more })
  const bytes = randomBytes(2 << 20)
  const other = signed(Buffer.from('other'))

  for (const secureHashing of [true, false]) {
    await t.test(`SIG1: a location is verified, secureHashing ${secureHashing}`, async (t) => {
      const { stack, web } = await open(t, true, { locations: { secureHashing } })
      web.bytes.set(url, bytes)
      const right = { os_hash_algo: 'sha256', os_hash_value: digest(bytes) }
      for (const more of [{}, { validation_data: right }]) {
        const { id } = await stack.create(P1, signed(bytes))
        t.equal((await add(stack, id, more)).status, 202)
        const image = await over(stack, id)
        t.match(image, { status: 'active', stores: 'web', os_hash_value: digest(bytes) })
        const bad = await stack.create(P1, other)
        t.equal((await add(stack, bad.id, more)).status, 202)
        t.match(await over(stack, bad.id), { status: 'queued', size: null, os_hash_value: null })
        t.match(await tasks(stack, bad.id), [{ status: 'failure', message: DOES_NOT_FIT }])
        t.notOk('stores' in (await show(stack, bad.id)), 'the location is forgotten')
      }
      const { gets } = web
      const unknown = signed(bytes, { img_signature_certificate_uuid: UNKNOWN })
      const { id } = await stack.create(P1, unknown)
      t.equal((await add(stack, id)).status, 202)
      t.match(await over(stack, id), { status: 'queued', size: null })
      t.match(await tasks(stack, id), [{ status: 'failure', message: /no certificate/ }])
      t.equal(web.gets, gets, 'nothing was read')
    })
  }

  await t.test('SIG1: it is nobody’s before it is verified', async (t) => {
    const { stack, web } = await open(t)
    web.bytes.set(url, bytes)
    web.faults = { breaksAfter: 300_000, silently: true }
    const { id } = await stack.create(P1, other)
    t.equal((await add(stack, id)).status, 202)
    await until('it is read', 10_000, () => (web.open > 0 ? true : undefined))
    t.match(await show(stack, id), { status: 'importing' })
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 204)
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
  })

  await t.test('SIG1: the first location of a signed image is not patched in', async (t) => {
    const { stack, web } = await open(t, true, { locations: { showMultiple: true } })
    web.bytes.set(url, bytes)
    web.bytes.set(`${url}/2`, bytes)
    web.bytes.set(`${url}/3`, randomBytes(2 << 20))
    const patched = { op: 'add', path: '/locations/-', value: { url, metadata: {} } }
    const { id } = await stack.create(P1, signed(bytes))
    const refused = await stack.patch(P1, id, [patched])
    t.equal(refused.status, 400)
    t.match(refused.body.error.message, /is signed: add its location by POST/)
    const signing = Object.entries(other).map(([key, value]) => ({
      op: 'add',
      path: `/${key}`,
      value
    }))
    const late = await stack.create(P1)
    t.equal((await stack.patch(P1, late.id, [...signing, patched])).status, 400, 'signed with it')
    t.match(await show(stack, late.id), { status: 'queued', locations: [] })
    t.equal((await add(stack, id)).status, 202)
    t.match(await over(stack, id), { status: 'active' })
    const more = (path: string) => ({ ...patched, value: { url: url + path, metadata: {} } })
    t.equal((await stack.patch(P1, id, [more('/2')])).status, 200, 'the same data')
    t.equal((await stack.patch(P1, id, [more('/3')])).status, 400, 'S-13: other data')
    const unsigned = [...signing, patched, { op: 'remove', path: '/img_signature' }]
    t.equal((await stack.patch(P1, late.id, unsigned)).status, 200, 'three of four')
  })

  await t.test(
    'SIG1: nor is it by v1, also where a header cannot carry the signature',
    async (t) => {
      const { stack, web } = await open(t)
      web.bytes.set(url, bytes)
      const properties = signed(bytes)
      const { img_signature: text, ...three } = properties
      const inLines = { ...three, img_signature: `${text.slice(0, 8)}\n${text.slice(8)}` }
      const sent = Object.entries(three).map(([name, value]) => [`property-${name}`, value])
      const location = { ...meta({ location: url }), ...meta(Object.fromEntries(sent)) }
      const { put } = v1Of(stack)
      const { id } = await stack.create(P1, inLines)
      const refused = await put(P1, id, location)
      t.equal(refused.status, 400)
      t.match(refused.text, /The image is signed/)
      t.match(await show(stack, id), { status: 'queued', size: null, ...inLines })
      const purging = await put(P1, id, meta({ location: url }))
      t.match(purging.image, { status: 'active' }, 'what is left of it is no signature')

      const late = await stack.create(P1, three)
      const signing = [{ op: 'add', path: '/img_signature', value: text }]
      // the image is signed by another one between the look at it and the writing
      const through = (client: RegistryClient): RegistryClient =>
        Object.assign(Object.create(client), {
          getImage: async (...args: Parameters<RegistryClient['getImage']>) => {
            if (!('img_signature' in (await show(stack, late.id)))) {
              t.equal((await stack.patch(P1, late.id, signing)).status, 200)
            }
            return client.getImage(...args)
          }
        })
      const api = await stack.openApi({}, through)
      t.teardown(() => api.stop())
      const raced = await request(`${api.url}/v1/images/${late.id}`, {
        method: 'PUT',
        headers: { ...identityHeaders(P1), ...location, 'x-tank-registry-purge-props': 'false' }
      })
      t.equal(raced.status, 400)
      t.match(raced.body.toString(), /The image is signed/)
      t.match(await show(stack, late.id), { status: 'queued', size: null })
    }
  )

  await t.test('SIG1: without certificates no location of a signed image is taken', async (t) => {
    const { stack, web } = await open(t, false, { locations: { showMultiple: true } })
    web.bytes.set(url, bytes)
    const { id } = await stack.create(P1, signed(bytes))
    const patched = { op: 'add', path: '/locations/-', value: { url, metadata: {} } }
    t.equal((await stack.patch(P1, id, [patched])).status, 400)
    t.equal((await add(stack, id)).status, 202)
    t.match(await over(stack, id), { status: 'queued', size: null })
  })
})

t.test('SIG1: a service whose certificates cannot be read does not start', async (t) => {
  const { stack } = await open(t, false)
  const certificates = { [GOOD]: join(t.testdir({}), 'missing.pem') }
  const start = stack.openApi({ signatures: { certificates } })
  await t.rejects(start, { message: new RegExp(`${GOOD}.*missing\\.pem' cannot be read`) })
})
