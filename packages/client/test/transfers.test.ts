import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createTankClient, type TransferProgress } from '../src/index.ts'
import { type Handler, reset, sendJson, serve, urlOf } from './fake-server.ts'

const ID = '6f0e3f6a-3a53-4b39-8a61-0f6d3b1f7a01'
const BYTES = Buffer.alloc(3 * 1024 * 1024 + 17, 'The quick brown fox. ')
const sha256 = createHash('sha256').update(BYTES).digest('hex')
const md5 = createHash('md5').update(BYTES).digest('hex')
const record = {
  id: ID,
  status: 'active',
  size: BYTES.length,
  checksum: md5,
  os_hash_algo: 'sha256',
  os_hash_value: sha256
}
const quick = { retryDelayMs: 5, timeoutMs: 10_000 }
const impatient = { ...quick, idleTimeoutMs: 300, answerTimeoutMs: 300 }

/** Answers `show` with the record, and the bytes by the given handler. */
function data(handler: Handler, shown: object = record): Handler {
  let count = 0
  return (request, response) => {
    if (request.url.endsWith('/file')) return handler(request, response, ++count)
    return sendJson(response, 200, shown)
  }
}

function sendBytes(response: ServerResponse, bytes: Buffer = BYTES): void {
  response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
}

function collector(): { stream: Writable; bytes: () => Buffer } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      chunks.push(chunk)
      setImmediate(done)
    }
  })
  return { stream, bytes: () => Buffer.concat(chunks) }
}

t.test('uploads from every kind of source', async (t) => {
  const server = await serve(t, (_request, response) => response.writeHead(204).end())
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const file = `${t.testdir()}/image`
  await writeFile(file, BYTES)
  const web = new Blob([BYTES]).stream()
  const sources = {
    path: file,
    bytes: new Uint8Array(BYTES),
    stream: Readable.from([BYTES]),
    web: Readable.toWeb(Readable.fromWeb(web))
  }
  for (const [name, source] of Object.entries(sources)) {
    const seen: TransferProgress[] = []
    server.requests.length = 0
    await client.upload(ID, source, { onProgress: (progress) => seen.push(progress), store: 's' })
    const [request] = server.requests
    t.ok(request?.body.equals(BYTES), name)
    t.equal(request?.url, `/v2/images/${ID}/file`)
    t.match(request?.headers, {
      'content-type': 'application/octet-stream',
      'x-image-meta-store': 's'
    })
    const known = name === 'path' || name === 'bytes'
    t.equal(request?.headers['content-length'], known ? String(BYTES.length) : undefined)
    t.same(seen.at(-1), { bytes: BYTES.length, total: known ? BYTES.length : undefined })
    const steps = seen.map(({ bytes }, at) => bytes - (seen[at - 1]?.bytes ?? 0))
    t.ok(Math.max(...steps) <= 256 * 1024, 'a large chunk moves bit by bit')
  }
  server.requests.length = 0
  await client.upload(ID, Readable.from([BYTES]), { size: BYTES.length })
  t.equal(server.requests[0]?.headers['content-length'], String(BYTES.length))
  await client.upload(ID, Buffer.alloc(0))
  t.equal(server.requests[1]?.headers['content-length'], '0')
  await client.upload(ID, Readable.from([]), { size: 0 })
})

t.test('an upload that fails says why', async (t) => {
  const server = await serve(t, (_request, response) =>
    sendJson(response, 409, { error: { message: 'not queued' } })
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  await t.rejects(client.upload(ID, BYTES), { code: 'CONFLICT', message: 'not queued' })
  await t.rejects(client.upload(ID, '/nowhere/image'), { code: 'SOURCE_FAILED' })
  const failing = new PassThrough()
  failing.write('x')
  setTimeout(() => failing.destroy(new Error('disk fell out')), 20)
  await t.rejects(client.upload(ID, failing), { code: 'SOURCE_FAILED', message: /disk fell out/ })
  await t.rejects(client.upload(ID, failing), { code: 'SOURCE_FAILED' }, 'used up')
  await t.rejects(client.upload(ID, Readable.from([{ a: 1 }])), {
    code: 'SOURCE_FAILED',
    message: /neither bytes nor text/
  })
  const short = client.upload(ID, Readable.from(['abc']), { size: 5 })
  await t.rejects(short, { code: 'SIZE_MISMATCH' })
  await t.rejects(client.upload(ID, Readable.from(['abcdef']), { size: 5 }), {
    code: 'SIZE_MISMATCH'
  })
})

t.test('a stream belongs to the upload from its beginning', async (t) => {
  const server = await serve(t, (_request, response) => response.writeHead(204).end())
  const reason = new Error('no token')
  const token = async () => {
    await sleep(50)
    throw reason
  }
  const client = createTankClient({ url: server.url, ...quick, token: () => sleep(50, 'token') })
  const refused = createTankClient({ url: server.url, ...quick, token })
  t.teardown(() => Promise.all([client.close(), refused.close()]))
  const missing = client.upload(ID, createReadStream('/nowhere/image'))
  await t.rejects(missing, { code: 'SOURCE_FAILED', message: /ENOENT/ })
  const unread = new PassThrough()
  await t.rejects(refused.upload(ID, unread), reason)
  t.ok(unread.destroyed)
  t.equal(server.requests.length, 0)
})

t.test('what a callback throws is what a transfer rejects with', async (t) => {
  const server = await serve(
    t,
    data((request, response) =>
      request.method === 'PUT' ? response.writeHead(204).end() : sendBytes(response)
    )
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const reason = new Error('no more')
  const onProgress = () => {
    throw reason
  }
  const stream = new PassThrough()
  stream.write('bytes')
  await t.rejects(client.upload(ID, stream, { onProgress }), reason)
  t.ok(stream.destroyed)
  t.equal(server.requests.length, 0, 'the server never gets a whole request')
  const folder = t.testdir()
  for (const options of [{}, { parallel: 2, partSize: 1_000_000 }]) {
    await t.rejects(client.download(ID, `${folder}/image`, { ...options, onProgress }), reason)
    t.same(await readdir(folder), [])
  }
  await t.rejects(client.download(ID, collector().stream, { onProgress }), reason)
})

t.test('an answer that comes before the end of the body is heard', async (t) => {
  const server = createServer((_request, response) => {
    sendJson(response, 413, { error: { message: 'too much' } }, { connection: 'close' })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const client = createTankClient({ url: urlOf(server.address()), ...quick })
  t.teardown(() => client.close())
  const endless = new Readable({ read: (size) => void endless.push(Buffer.alloc(size)) })
  await t.rejects(client.upload(ID, endless), { code: 'TOO_LARGE', message: 'too much' })
  t.ok(endless.destroyed, 'nobody goes on reading')
})

t.test('an upload that the server did not take is sent again when it can be', async (t) => {
  const server = await serve(t, (_request, response, count) => {
    if (count % 2 === 1) return sendJson(response, 503, {})
    return response.writeHead(204).end()
  })
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  await client.upload(ID, BYTES)
  t.equal(server.requests.length, 2)
  t.ok(server.requests[1]?.body.equals(BYTES))
  await t.rejects(client.upload(ID, Readable.from([BYTES])), { code: 'UNAVAILABLE' })
  t.equal(server.requests.length, 3, 'a stream cannot be read twice')
})

t.test('an upload whose connection breaks is not sent again', async (t) => {
  const server = await serve(t, (_request, response) => reset(response))
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  await t.rejects(client.upload(ID, BYTES), { code: 'CONNECTION_CLOSED' })
  t.equal(server.requests.length, 1)
  const nowhere = createTankClient({ url: 'http://127.0.0.1:1', ...quick })
  await t.rejects(nowhere.upload(ID, BYTES), { code: 'UNREACHABLE' })
  await nowhere.close()
})

t.test('an upload does not wait for ever', async (t) => {
  const sockets: Socket[] = []
  const deaf = createTcpServer((socket) => void sockets.push(socket.pause()))
  deaf.listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    deaf.close()
  })
  const client = createTankClient({ url: urlOf(deaf.address()), ...impatient, retries: 0 })
  const endless = new Readable({ read: (size) => void endless.push(Buffer.alloc(size)) })
  await t.rejects(client.upload(ID, endless), { code: 'TIMEOUT' }, 'a server that does not read')
  await t.rejects(client.upload(ID, new PassThrough()), { code: 'TIMEOUT' }, 'a silent source')
  await t.rejects(client.upload(ID, Buffer.from('x')), { code: 'TIMEOUT' }, 'no answer')
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 30)
  const upload = client.upload(ID, new PassThrough(), { signal: controller.signal })
  await t.rejects(upload, reason)
  await t.rejects(client.upload(ID, BYTES, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('S-25 downloads to a file under its name once the bytes are proved', async (t) => {
  const server = await serve(
    t,
    data((_request, response) => sendBytes(response))
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const folder = t.testdir({ old: 'old bytes' })
  const seen: TransferProgress[] = []
  const onProgress = (progress: TransferProgress) => void seen.push(progress)
  const result = await client.download(ID, `${folder}/image`, { onProgress })
  t.same(result, { size: BYTES.length, verifiedWith: 'sha256', resumed: 0 })
  t.ok((await readFile(`${folder}/image`)).equals(BYTES))
  t.same(seen.at(-1), { bytes: BYTES.length, total: BYTES.length })
  await client.download(ID, `${folder}/old`)
  t.equal((await stat(`${folder}/old`)).size, BYTES.length)
  t.same((await readdir(folder)).sort(), ['image', 'old'])
  await t.rejects(client.download(ID, folder), { code: 'TARGET_FAILED' })
  await t.rejects(client.download(ID, '/dev/null'), { code: 'TARGET_FAILED' })
  await t.rejects(client.download(ID, `${folder}/no/image`), { code: 'TARGET_FAILED' })
})

t.test('S-25 wrong bytes never get the name of the file', async (t) => {
  const wrong = Buffer.from(BYTES)
  wrong[1_000_000] = 0
  const cases: [string, object, Buffer, string][] = [
    ['sha256', record, wrong, 'DIGEST_MISMATCH'],
    ['md5', { ...record, os_hash_algo: null, os_hash_value: null }, wrong, 'DIGEST_MISMATCH'],
    ['label', { ...record, os_hash_value: 'f'.repeat(64) }, BYTES, 'DIGEST_MISMATCH'],
    ['long', record, Buffer.concat([BYTES, BYTES]), 'SIZE_MISMATCH'],
    ['short', record, BYTES.subarray(1), 'SIZE_MISMATCH'],
    ['none', { ...record, checksum: null, os_hash_value: null }, BYTES, 'NO_DIGEST'],
    ['path', { ...record, checksum: '../../x', os_hash_value: '../x' }, BYTES, 'BAD_ANSWER'],
    ['form', { ...record, checksum: 'x', os_hash_value: 'no-hex' }, BYTES, 'NO_DIGEST'],
    ['weak', { ...record, checksum: null, os_hash_algo: 'md5' }, BYTES, 'NO_DIGEST']
  ]
  for (const [name, shown, bytes, code] of cases) {
    const server = await serve(
      t,
      data((request, response) => {
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
        if (from >= bytes.length) return sendJson(response, 416, {})
        return sendBytes(response, bytes)
      }, shown)
    )
    const client = createTankClient({ url: server.url, ...quick, retries: 0 })
    const folder = t.testdir({ image: 'old' })
    const error = await client.download(ID, `${folder}/image`).catch((failure: unknown) => failure)
    if (name === 'short') t.match(error, { code: /SIZE_MISMATCH|CONNECTION_CLOSED/ }, name)
    else t.match(error, { code }, name)
    t.equal(await readFile(`${folder}/image`, 'utf8'), 'old', name)
    t.same(await readdir(folder), ['image'], name)
    await client.close()
  }
})

t.test('other digests and no digest', async (t) => {
  const sha512 = createHash('sha512').update(BYTES).digest('hex')
  const server = await serve(t, (request, response) => {
    if (request.url.endsWith('/file')) return sendBytes(response)
    if (request.url.includes('bare')) {
      return sendJson(response, 200, { ...record, checksum: null, os_hash_algo: 'shake' })
    }
    const digest = request.url.includes('md5')
      ? { os_hash_algo: null, os_hash_value: null }
      : { os_hash_algo: 'sha512', os_hash_value: sha512 }
    return sendJson(response, 200, { ...record, ...digest })
  })
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const to = () => collector().stream
  t.match(await client.download('strong', to()), { verifiedWith: 'sha512' })
  t.match(await client.download('md5', to()), { verifiedWith: 'md5' })
  t.same(await client.download('bare', to(), { allowUnverified: true }), {
    size: BYTES.length,
    verifiedWith: undefined,
    resumed: 0
  })
})

t.test('a broken download is taken up where it broke', async (t) => {
  const ranges: (string | undefined)[] = []
  const server = await serve(
    t,
    data((request, response, count) => {
      ranges.push(request.headers.range)
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      if (count === 4) return sendJson(response, 503, {})
      const last = BYTES.length - 1
      // The third answer ignores the range, as a server without ranges does.
      if (count === 1 || count === 3) {
        response.writeHead(200, { 'content-length': BYTES.length })
      } else {
        const range = `bytes ${from}-${last}/${BYTES.length}`
        response.writeHead(206, { 'content-range': range, 'content-length': BYTES.length - from })
      }
      const start = count === 3 ? 0 : from
      if (count > 3) return response.end(BYTES.subarray(start))
      response.write(BYTES.subarray(start, start + (count === 3 ? 2_900_000 : 1_000_000)))
      return setTimeout(() => reset(response), 50)
    })
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const target = collector()
  const result = await client.download(ID, target.stream)
  t.ok(target.bytes().equals(BYTES))
  t.equal(result.verifiedWith, 'sha256')
  t.equal(ranges[0], undefined)
  t.equal(ranges.length, 5)
  t.match(ranges[1], /^bytes=\d+-$/)
})

t.test('a download that cannot go on leaves nothing', async (t) => {
  const server = await serve(
    t,
    data((_request, response) => {
      response.writeHead(200, { 'content-length': BYTES.length })
      response.write(BYTES.subarray(0, 100_000))
    })
  )
  const client = createTankClient({ url: server.url, ...impatient })
  const folder = t.testdir()
  await t.rejects(client.download(ID, `${folder}/image`), { code: 'TIMEOUT' }, 'a stalled body')
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 50)
  const { signal } = controller
  await t.rejects(client.download(ID, `${folder}/image`, { signal }), reason)
  t.same(await readdir(folder), [])
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('full')) })
  await t.rejects(client.download(ID, failing), {
    code: 'TARGET_FAILED',
    cause: { message: 'full' }
  })
  await client.close()
})

t.test('a download into a duplex stream ends when all is written', async (t) => {
  const server = await serve(
    t,
    data((_request, response) => sendBytes(response))
  )
  const client = createTankClient({ url: server.url, ...quick, idleTimeoutMs: 1_000 })
  t.teardown(() => client.close())
  const { stream, bytes } = collector()
  const to = new Duplex({
    read: () => undefined,
    write: (chunk, encoding, done) => void stream.write(chunk, encoding, done)
  })
  t.match(await client.download(ID, to), { size: BYTES.length })
  t.ok(bytes().equals(BYTES))
})

t.test('an image without bytes, and one that is not there', async (t) => {
  const shown = { ...record, status: 'queued', checksum: null, os_hash_value: null, size: null }
  const server = await serve(
    t,
    data((_request, response) => response.writeHead(204).end(), shown)
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const folder = t.testdir()
  await t.rejects(client.download(ID, `${folder}/image`), { code: 'NO_DATA' })
  const missing = await serve(t, (_request, response) => sendJson(response, 404, {}))
  const other = createTankClient({ url: missing.url, ...quick })
  t.teardown(() => other.close())
  await t.rejects(other.download(ID, `${folder}/image`), { code: 'NOT_FOUND' })
  t.same(await readdir(folder), [])
})

t.test('an image of zero bytes', async (t) => {
  const empty = createHash('sha256').digest('hex')
  const shown = { ...record, size: 0, checksum: null, os_hash_value: empty }
  const server = await serve(
    t,
    data((_request, response) => sendBytes(response, Buffer.alloc(0)), shown)
  )
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const file = `${t.testdir()}/image`
  t.same(await client.download(ID, file), { size: 0, verifiedWith: 'sha256', resumed: 0 })
  t.equal((await stat(file)).size, 0)
})
