import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { WritableStream } from 'node:stream/web'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createTankClient, TankClient, type TransferProgress } from '../src/index.ts'
import { breakOff, reset, sendJson, serve } from './fake-server.ts'
import { ID, serveRanges } from './range-server.ts'

const BYTES = Buffer.alloc(3 * 1024 * 1024 + 17, 'The quick brown fox. ')
const quick = { retryDelayMs: 5, timeoutMs: 5_000 }

t.test('reads an image in a loop', async (t) => {
  const server = await serveRanges(t, BYTES)
  const client = new TankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  t.type(client, TankClient)
  t.type(createTankClient({ url: server.url }), TankClient)
  const seen: TransferProgress[] = []
  const read = client.read(ID, { onProgress: (progress) => void seen.push(progress) })
  t.ok((await buffer(read)).equals(BYTES))
  t.same(seen.at(-1), { bytes: BYTES.length, total: BYTES.length })
  for await (const chunk of client.read(ID)) {
    t.ok(chunk.equals(BYTES.subarray(0, chunk.length)))
    break
  }
  const reason = new Error('enough')
  await t.rejects(buffer(client.read(ID, { signal: AbortSignal.abort(reason) })), reason)
  const controller = new AbortController()
  const begun = client.read(ID, { signal: controller.signal })
  await begun.next()
  controller.abort('no error at all')
  await begun.next().then(
    () => t.fail('it goes on'),
    (error: unknown) => t.equal(error, 'no error at all')
  )
})

t.test('a loop goes on where a connection breaks', async (t) => {
  const server = await serveRanges(t, BYTES)
  let times = 0
  server.answer = ({ from, response, send }) => {
    if (++times > 2) return send()
    if (times === 2) return breakOff(response, 503)
    response.writeHead(200, { 'content-length': BYTES.length })
    response.write(BYTES.subarray(from, 1_000_000))
    return setTimeout(() => reset(response), 50)
  }
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  t.ok((await buffer(client.read(ID))).equals(BYTES))
  t.equal(times, 3, 'also when that is within an error')
})

t.test('downloads to file URLs and to web streams', async (t) => {
  const server = await serveRanges(t, BYTES)
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const file = `${t.testdir()}/an image`
  await client.download(ID, pathToFileURL(file))
  t.ok((await readFile(file)).equals(BYTES))
  const chunks: Uint8Array[] = []
  let closed = false
  const web = new WritableStream<Uint8Array>({
    write: (chunk) => void chunks.push(chunk),
    close: () => {
      closed = true
    }
  })
  t.match(await client.download(ID, web), { size: BYTES.length, verifiedWith: 'sha256' })
  t.ok(Buffer.concat(chunks).equals(BYTES))
  t.ok(closed)
})

t.test('nothing waits for ever: tokens, and streams that never end', async (t) => {
  const server = await serveRanges(t, BYTES)
  const token = () => new Promise<string>(() => undefined)
  const hopeful = createTankClient({ url: server.url, token, timeoutMs: 50, retries: 1 })
  t.teardown(() => hopeful.close())
  const late = { code: 'TIMEOUT', message: /no token came within 100 ms/ }
  await t.rejects(hopeful.show(ID), late)
  await t.rejects(hopeful.upload(ID, BYTES), late)
  await t.rejects(buffer(hopeful.read(ID)), late)
  const client = createTankClient({ url: server.url, ...quick, idleTimeoutMs: 300 })
  t.teardown(() => client.close())
  const endless = new Writable({
    write: (_chunk, _encoding, done) => done(),
    final: () => undefined
  })
  await t.rejects(client.download(ID, endless), { code: 'TIMEOUT' })
})

t.test('an upload that is compared', async (t) => {
  const digest = (algorithm: string) => createHash(algorithm).update(BYTES).digest('hex')
  let shown: object = {}
  const server = await serve(t, ({ method }, response) => {
    if (method === 'PUT') return response.writeHead(204).end()
    return sendJson(response, 200, { id: ID, status: 'active', size: BYTES.length, ...shown })
  })
  const client = createTankClient({ url: server.url, ...quick })
  t.teardown(() => client.close())
  const upload = () => client.upload(ID, BYTES, { verify: true })
  for (const algorithm of ['sha512', 'sha256']) {
    shown = { os_hash_algo: algorithm, os_hash_value: digest(algorithm) }
    await upload()
    shown = { os_hash_algo: algorithm, os_hash_value: 'f'.repeat(64), checksum: digest('md5') }
    await t.rejects(upload(), { code: 'DIGEST_MISMATCH' })
  }
  shown = { os_hash_algo: 'unheard', os_hash_value: 'x', checksum: digest('md5') }
  await upload()
  shown = { checksum: digest('sha1') }
  await t.rejects(upload(), { code: 'DIGEST_MISMATCH' })
  shown = { size: 5 }
  await t.rejects(upload(), { code: 'SIZE_MISMATCH' })
  shown = {}
  await t.rejects(upload(), { code: 'NO_DIGEST' })
  server.requests.length = 0
  await client.upload(ID, BYTES)
  t.equal(server.requests.length, 1, 'nobody asks unless that is wanted')
})
