import { createSign, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { holds, importBy, over, show, tasks } from '../../src/imports.ts'
import { expiredCertificate, signingCertificate, signingKey } from '../../src/signing-keys.ts'
import { openStack, P1, type Stack } from '../../src/stack.ts'
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

async function open(t: Test, isConfigured = true) {
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
      ...(isConfigured ? { signatures: { certificates } } : {})
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

t.test('SIG1: a service whose certificates cannot be read does not start', async (t) => {
  const { stack } = await open(t, false)
  const certificates = { [GOOD]: join(t.testdir({}), 'missing.pem') }
  const start = stack.openApi({ signatures: { certificates } })
  await t.rejects(start, { message: new RegExp(`${GOOD}.*missing\\.pem' cannot be read`) })
})
