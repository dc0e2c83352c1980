import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { truncate } from 'node:fs/promises'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { filesIn, waitForBytes } from '../../src/folder.ts'
import { ADMIN, identityHeaders, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const md5 = (bytes: Buffer | string) => createHash('md5').update(bytes).digest('hex')
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

async function record(stack: Stack, id: string) {
  return (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
}

/** An upload that stays open: the test writes its body piece by piece. */
function openUpload(stack: Stack, id: string, headers: http.OutgoingHttpHeaders = {}) {
  const call = http.request(`${stack.url}/v2/images/${id}/file`, {
    method: 'PUT',
    agent: false,
    headers: { ...identityHeaders(P1), ...OCTETS, ...headers }
  })
  const answer = new Promise<number>((resolve, reject) => {
    call.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
  })
  answer.catch(() => {})
  call.flushHeaders()
  return { call, answer }
}

t.test('uploads', async (t) => {
  const stack = await openStack({ api: { imageSizeCap: 200 << 20 } })
  t.teardown(() => stack.close())
  const status = async (id: string, wanted: string) =>
    until(`${id} is ${wanted}`, 5000, async () =>
      (await record(stack, id)).status === wanted ? true : undefined
    )

  await t.test('UPL1, UPL2, H1: chunked and with a length', async (t) => {
    const bytes = randomBytes(1024)
    for (const headers of [{ 'content-length': undefined }, {}]) {
      const { id } = await stack.create(P1)
      const answer = await stack.call(P1, 'PUT', `/v2/images/${id}/file`, {
        headers:
          'content-length' in headers ? { ...OCTETS, 'transfer-encoding': 'chunked' } : OCTETS,
        body: bytes
      })
      t.equal(answer.status, 204)
      t.match(await record(stack, id), {
        status: 'active',
        size: 1024,
        checksum: md5(bytes),
        os_hash_algo: 'sha256',
        os_hash_value: sha256(bytes),
        stores: 'main'
      })
    }
  })

  await t.test('H5, DWN6: an empty image', async (t) => {
    const { id } = await stack.create(P1)
    t.equal((await stack.upload(P1, id, '')).status, 204)
    t.match(await record(stack, id), { size: 0, checksum: 'd41d8cd98f00b204e9800998ecf8427e' })
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.equal(file.status, 200)
    t.equal(file.headers['content-length'], '0')
    const range = { headers: { range: 'bytes=0-' } }
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`, range)).status, 416)
  })

  await t.test('UPL3: the media type has to be octets', async (t) => {
    const { id } = await stack.create(P1)
    for (const headers of [
      {},
      { 'content-type': 'application/json' },
      { 'content-type': 'text/plain' },
      { ...OCTETS, 'content-encoding': 'gzip' }
    ]) {
      const path = `/v2/images/${id}/file`
      const answer = await stack.call(P1, 'PUT', path, { headers, body: 'data' })
      t.equal(answer.status, 415, JSON.stringify(headers))
    }
    t.equal((await record(stack, id)).status, 'queued')
    const unknown = `/v2/images/${randomUUID()}/file`
    t.equal(
      (await stack.call(P1, 'PUT', unknown, { body: 'data' })).status,
      415,
      'R7: first of all'
    )
  })

  await t.test('UPL4, UPL5: a second upload and foreign images', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, 'first')
    t.equal((await stack.upload(P1, id, 'second')).status, 409)
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.equal(file.body.toString(), 'first')
    t.equal((await stack.upload(P1, randomUUID(), 'x')).status, 404)
    const pub = await stack.create(ADMIN, { visibility: 'public' })
    t.equal((await stack.upload(P1, pub.id, 'x')).status, 403)
    const priv = await stack.create(P1, { visibility: 'private' })
    t.equal((await stack.upload(P2, priv.id, 'x')).status, 404)
  })

  await t.test('UPL6: formats have to be set', async (t) => {
    const { body } = await stack.json(P1, 'POST', '/v2/images', { name: 'bare' })
    t.equal((await stack.upload(P1, body.id, 'x')).status, 400)
    t.equal((await record(stack, body.id)).status, 'queued')
    await stack.patch(P1, body.id, [
      { op: 'replace', path: '/disk_format', value: 'raw' },
      { op: 'replace', path: '/container_format', value: 'bare' }
    ])
    t.equal((await stack.upload(P1, body.id, 'x')).status, 204)
  })

  await t.test('UPL8, U12: a connection that is cut', async (t) => {
    const { id } = await stack.create(P1)
    const before = filesIn(stack.root).length
    const upload = openUpload(stack, id, { 'content-length': 10 << 20 })
    upload.call.write(randomBytes(5 << 20))
    await status(id, 'saving')
    upload.call.destroy()
    await status(id, 'queued')
    t.match(await record(stack, id), { size: null, checksum: null, os_hash_value: null })
    t.notOk('stores' in (await record(stack, id)))
    t.equal(filesIn(stack.root).length, before, 'nothing is left')
    t.equal((await stack.upload(P1, id, 'again')).status, 204, 'a retry works')
  })

  await t.test('UPL9, UPL14: two uploads at once', async (t) => {
    const { id } = await stack.create(P1)
    const first = openUpload(stack, id)
    first.call.write('he')
    await status(id, 'saving')
    t.equal((await stack.call(P1, 'GET', `/v2/images/${id}/file`)).status, 204, 'no data yet')
    t.equal((await stack.upload(P1, id, 'other')).status, 409)
    first.call.end('llo')
    t.equal(await first.answer, 204)
    const file = await stack.call(P1, 'GET', `/v2/images/${id}/file`)
    t.equal(file.body.toString(), 'hello')
    const { id: raced } = await stack.create(P1)
    const racers = Array.from({ length: 10 }, (_, i) => stack.upload(P1, raced, `racer ${i}`))
    const statuses = (await Promise.all(racers)).map((answer) => answer.status).sort()
    t.same(statuses, [204, ...Array(9).fill(409)])
  })

  await t.test('UPL7, S-06: the size cap, announced or counted', async (t) => {
    const { id } = await stack.create(P1)
    const announced = await stack.call(P1, 'PUT', `/v2/images/${id}/file`, {
      headers: { ...OCTETS, 'x-openstack-image-size': String(1 << 30) },
      body: 'x'
    })
    t.equal(announced.status, 413)
    const upload = openUpload(stack, id)
    const block = Buffer.alloc(1 << 20)
    const writing = (async () => {
      for (let i = 0; i < 260 && !upload.call.destroyed; i++) {
        if (!upload.call.write(block))
          await Promise.race([
            new Promise((resolve) => upload.call.once('drain', resolve)),
            upload.answer,
            sleep(5000)
          ])
      }
    })()
    t.equal(await upload.answer, 413)
    upload.call.destroy()
    await writing
    await status(id, 'queued')
    t.equal((await stack.upload(P1, id, 'small')).status, 204, 'a retry works')
  })

  await t.test('UPL10, U9: announced sizes', async (t) => {
    const { id } = await stack.create(P1)
    const put = (size: string, body: string) =>
      stack.upload(P1, id, body, { 'x-openstack-image-size': size })
    for (const size of ['abc', '-1', '1.5', '']) t.equal((await put(size, 'x')).status, 400, size)
    t.equal((await put('5', 'four')).status, 400)
    t.equal((await put('3', 'four')).status, 400)
    t.match(await record(stack, id), { status: 'queued', size: null })
    t.equal((await put('4', 'four')).status, 204)
  })

  await t.test('UPL11, DWN9: the store can be chosen', async (t) => {
    const { id } = await stack.create(P1)
    const unknown = await stack.upload(P1, id, 'x', { 'x-image-meta-store': 'nowhere' })
    t.equal(unknown.status, 400)
    t.equal((await stack.upload(P1, id, 'x', { 'x-image-meta-store': 'second' })).status, 204)
    t.equal((await record(stack, id)).stores, 'second')
    const file = `/v2/images/${id}/file`
    for (const prefer of ['', ',', 'second', 'main,%20second'])
      t.equal((await stack.call(P1, 'GET', `${file}?prefer=${prefer}`)).status, 200, 'DWN8, DWN9')
    t.equal((await stack.call(P1, 'GET', `${file}?prefer=nowhere`)).status, 400)
  })

  await t.test('UPL13, N8: refusals reach a client that is still sending', async (t) => {
    const { id } = await stack.create(P1)
    await stack.upload(P1, id, 'there')
    for (const [type, wanted] of [
      ['application/octet-stream', 409],
      ['text/plain', 415]
    ] as const) {
      const upload = openUpload(stack, id, { 'content-type': type })
      const block = Buffer.alloc(1 << 20)
      for (let i = 0; i < 100 && !upload.call.destroyed; i++) {
        if (!upload.call.write(block))
          await Promise.race([
            new Promise((resolve) => upload.call.once('drain', resolve)),
            sleep(2000)
          ])
      }
      upload.call.end()
      t.equal(await upload.answer, wanted)
    }
  })

  await t.test('DEL5, S-08: deletion at any point of an upload', async (t) => {
    const before = filesIn(stack.root).length
    for (let i = 0; i < 20; i++) {
      const { id } = await stack.create(P1)
      const upload = openUpload(stack, id, { 'content-length': 4 << 20 })
      for (let sent = 0; sent < i; sent++) upload.call.write(randomBytes((4 << 20) / 20))
      if (i > 0) await status(id, 'saving')
      t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
      for (let sent = i; sent < 20; sent++) upload.call.write(randomBytes((4 << 20) / 20))
      upload.call.end(randomBytes((4 << 20) - 20 * Math.floor((4 << 20) / 20)))
      const answer = await upload.answer.catch(() => 0)
      t.ok([404, 410].includes(answer), `point ${i}: ${answer}`)
    }
    await until('no file is left', 5000, () =>
      filesIn(stack.root).length === before ? true : undefined
    )
    t.match(await stack.registry.usage('P1'), { uploads: 0, reserved_bytes: 0 })
  })
})

t.test('downloads', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const bytes = Buffer.from('0123456789')
  const { id } = await stack.create(P1)
  await stack.upload(P1, id, bytes)
  const path = `/v2/images/${id}/file`
  const get = (headers: http.OutgoingHttpHeaders = {}, who = P1) =>
    stack.call(who, 'GET', path, { headers })

  await t.test('DWN1: bytes and headers', async (t) => {
    const answer = await get()
    t.equal(answer.status, 200)
    t.ok(answer.body.equals(bytes))
    t.match(answer.headers, {
      'content-type': 'application/octet-stream',
      'content-length': '10',
      'content-md5': md5(bytes),
      etag: `"${sha256(bytes)}"`,
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache'
    })
    t.match(answer.headers['x-openstack-request-id'], /^req-/, 'HTP2')
    const head = await stack.call(P1, 'HEAD', path)
    t.equal(head.headers['content-length'], '10')
  })

  await t.test('a large image comes back as it went in', async (t) => {
    const large = randomBytes((9 << 20) + 12_345)
    const image = await stack.create(P1)
    t.equal((await stack.upload(P1, image.id, large)).status, 204)
    const answer = await stack.call(P1, 'GET', `/v2/images/${image.id}/file`)
    t.ok(answer.body.equals(large))
    t.equal((await record(stack, image.id)).checksum, md5(large))
    const range = { headers: { range: 'bytes=1048575-3145729' } }
    const part = await stack.call(P1, 'GET', `/v2/images/${image.id}/file`, range)
    t.ok(part.body.equals(large.subarray(1048575, 3145730)))
  })

  await t.test('DWN2, B13: an image without data', async (t) => {
    const { id: queued } = await stack.create(P1)
    for (const headers of [{}, { range: 'bytes=0-1' }]) {
      const answer = await stack.call(P1, 'GET', `/v2/images/${queued}/file`, { headers })
      t.equal(answer.status, 204)
      t.equal(answer.body.length, 0)
    }
  })

  await t.test('DWN3: foreign images', async (t) => {
    t.equal((await get({}, P2)).status, 404)
  })

  await t.test('DWN4, DWN5, B12: ranges', async (t) => {
    for (const [range, wanted, content] of [
      ['bytes=0-4', 'bytes 0-4/10', '01234'],
      ['bytes=5-', 'bytes 5-9/10', '56789'],
      ['bytes=-3', 'bytes 7-9/10', '789'],
      ['bytes=0-', 'bytes 0-9/10', '0123456789'],
      ['bytes=8-99', 'bytes 8-9/10', '89']
    ] as const) {
      const answer = await get({ range })
      t.equal(answer.status, 206, range)
      t.equal(answer.headers['content-range'], wanted)
      t.equal(answer.headers['content-length'], String(content.length))
      t.equal(answer.headers['content-md5'], md5(bytes))
      t.equal(answer.body.toString(), content)
    }
    const old = await get({ 'content-range': 'bytes 2-4/*' })
    t.equal(old.status, 206, 'B9')
    t.equal(old.body.toString(), '234')
  })

  await t.test('DWN6, B7: ranges that cannot be had', async (t) => {
    for (const range of ['bytes=10-12', 'bytes=5-2', 'bytes=', 'bytes=x-y', 'lines=1-2'])
      t.equal((await get({ range })).status, 416, range)
    t.equal((await get({ range: 'bytes=0-1,3-4' })).status, 400)
    t.equal((await get({ range: 'bytes=10-' })).headers['content-range'], 'bytes */10')
  })

  await t.test('conditional requests and safe resumption', async (t) => {
    const { headers } = await get()
    const etag = String(headers.etag)
    const current = await get({ 'if-none-match': etag })
    t.equal(current.status, 304)
    t.equal(current.body.length, 0)
    t.equal((await get({ 'if-none-match': '"other"' })).status, 200)
    t.equal((await get({ 'if-modified-since': headers['last-modified'] })).status, 304)
    t.equal((await get({ range: 'bytes=5-', 'if-range': etag })).status, 206)
    t.equal((await get({ range: 'bytes=5-', 'if-range': '"other"' })).status, 200)
  })

  await t.test('S-03: what was revoked is refused, whatever the client holds', async (t) => {
    const image = await stack.create(P1)
    await stack.upload(P1, image.id, 'secret')
    const file = `/v2/images/${image.id}/file`
    await stack.json(P1, 'POST', `/v2/images/${image.id}/members`, { member: 'P2' })
    const etag = String((await stack.call(P2, 'GET', file)).headers.etag)
    await stack.call(P1, 'DELETE', `/v2/images/${image.id}/members/P2`)
    for (const headers of [{}, { 'if-none-match': etag }, { range: 'bytes=0-1' }])
      t.equal((await stack.call(P2, 'GET', file, { headers })).status, 404)
    t.equal((await stack.call(P2, 'HEAD', file)).status, 404)
  })

  await t.test('DWN7, DWN10, S-35: slow readers and readers that leave', async (t) => {
    const large = randomBytes(8 << 20)
    const image = await stack.create(P1)
    await stack.upload(P1, image.id, large)
    const file = `${stack.url}/v2/images/${image.id}/file`
    const slow = http.get(file, { headers: identityHeaders(P1), agent: false })
    const response = await new Promise<http.IncomingMessage>((resolve) =>
      slow.on('response', resolve)
    )
    response.pause()
    const fast = await stack.call(P1, 'GET', `/v2/images/${image.id}/file`)
    t.ok(fast.body.equals(large))
    slow.destroy()
    await sleep(100)
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${image.id}`)).status, 204)
  })

  await t.test('DWN11: right after the deletion', async (t) => {
    const image = await stack.create(P1)
    await stack.upload(P1, image.id, 'gone')
    await stack.call(P1, 'DELETE', `/v2/images/${image.id}`)
    t.equal((await stack.call(P1, 'GET', `/v2/images/${image.id}/file`)).status, 404)
  })

  await t.test('DWN12, B11: damaged and lost data never look whole', async (t) => {
    const image = await stack.create(P1)
    const known = new Set(filesIn(stack.root).map((file) => file.path))
    await stack.upload(P1, image.id, randomBytes(3 << 20))
    const added = filesIn(stack.root).filter((file) => !known.has(file.path))
    t.equal(added.length, 1)
    await truncate(added[0]?.path ?? '', 1 << 20)
    const file = `/v2/images/${image.id}/file`
    const answer = await stack.call(P1, 'GET', file).catch(() => null)
    t.ok(answer === null || answer.status === 503, 'cut, or refused before the first byte')
  })

  await t.test('D4: deleted images leave no bytes', async (t) => {
    const { body } = await stack.json(P1, 'GET', '/v2/images?limit=1000')
    for (const image of body.images) await stack.call(P1, 'DELETE', `/v2/images/${image.id}`)
    await waitForBytes(`${stack.root}/main`, 0, 5000)
    // the registry forgets them a moment after the files are gone
    const until = Date.now() + 5000
    const stored = async () => (await stack.registry.usage('P1')).stored_bytes
    while ((await stored()) > 0 && Date.now() < until) await sleep(20)
    t.equal(await stored(), 0)
  })
})
