import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import {
  createTankClient,
  type DownloadOptions,
  LegacyClient,
  type TankClient,
  type TankClientOptions
} from '../src/index.ts'
import { serveImages } from './fake-images.ts'
import { reset } from './fake-server.ts'
import { openFaultyProxy } from './faulty-proxy.ts'
import { ID, serveRanges } from './range-server.ts'

const BYTES = randomBytes(1_000_000)
/** Among the bytes of the image, whichever part of it a connection brings. */
const AT = 200_000
const quick = { retryDelayMs: 5, timeoutMs: 5_000 }
const impatient = { ...quick, idleTimeoutMs: 300, answerTimeoutMs: 300 }

const WAYS: Readonly<Record<string, DownloadOptions>> = {
  'in one': {},
  'in parts': { parallel: 3, partSize: 300_000 },
  'that can be resumed': { resume: true }
}

async function open(t: Test, options: Partial<TankClientOptions> = quick) {
  const server = await serveRanges(t, BYTES)
  const proxy = await openFaultyProxy(t, server.url)
  const client = createTankClient({ url: proxy.url, ...options })
  t.teardown(() => client.close())
  return { server, proxy, client }
}

/** Fails as it should, and what bore the name before still does. */
async function failsToFile(
  t: Test,
  client: TankClient,
  how: DownloadOptions,
  code: string
): Promise<string[]> {
  const folder = t.testdir({ image: 'old' })
  await t.rejects(client.download(ID, `${folder}/image`, how), { code })
  t.ok((await readFile(`${folder}/image`, 'utf8')) === 'old', 'the old file is as it was')
  return (await readdir(folder)).filter((name) => name !== 'image')
}

for (const [way, how] of Object.entries(WAYS)) {
  t.test(`S-25 a byte that is flipped in transit is found out: a download ${way}`, async (t) => {
    const { proxy, client } = await open(t)
    proxy.down = { at: AT, what: 'flip' }
    t.same(await failsToFile(t, client, how, 'DIGEST_MISMATCH'), [], 'wrong bytes are not kept')
  })

  t.test(`S-25 a connection that is cut: a download ${way}`, async (t) => {
    const { server, proxy, client } = await open(t)
    proxy.down = { at: AT, what: 'cut' }
    const file = `${t.testdir()}/image`
    const mended = client.download(ID, file, {
      ...how,
      onProgress: () => {
        proxy.down = undefined
      }
    })
    t.match(await mended, { size: BYTES.length, verifiedWith: 'sha256' }, 'is gone on with')
    t.ok((await readFile(file)).equals(BYTES))
    t.ok(proxy.connections > 1)
    server.answer = ({ response }) => reset(response)
    const left = await failsToFile(t, client, how, 'CONNECTION_CLOSED')
    t.same(left.sort(), how.resume ? ['image.part', 'image.part.json'] : [])
  })

  t.test(`S-25 a server that falls silent: a download ${way}`, async (t) => {
    const { proxy, client } = await open(t, impatient)
    proxy.down = { at: AT, what: 'stall' }
    const left = await failsToFile(t, client, how, 'TIMEOUT')
    t.same(left.sort(), how.resume ? ['image.part', 'image.part.json'] : [])
    if (!how.resume) return
    proxy.down = undefined
    const fresh = createTankClient({ url: proxy.url, ...quick })
    t.teardown(() => fresh.close())
    const file = `${t.testdirName}/image`
    const result = await fresh.download(ID, file, how)
    t.ok(result.resumed > 0, 'what came before is not fetched again')
    t.ok((await readFile(file)).equals(BYTES))
  })
}

t.test('S-25 streams and loops are told of a flipped byte', async (t) => {
  const { server, proxy, client } = await open(t)
  t.ok((await buffer(client.read(ID))).equals(BYTES))
  await client.close()
  proxy.down = { at: AT, what: 'flip' }
  const first = createTankClient({ url: proxy.url, ...quick })
  const second = createTankClient({ url: proxy.url, ...quick })
  t.teardown(() => Promise.all([first.close(), second.close()]))
  await t.rejects(buffer(first.read(ID)), { code: 'DIGEST_MISMATCH' })
  const through = new PassThrough().resume()
  through.on('error', () => undefined)
  await t.rejects(second.download(ID, through), { code: 'DIGEST_MISMATCH' })
  t.ok(through.destroyed)
  t.equal(through.writableFinished, false, 'a stream is ended only when the bytes are proved')
  t.ok(server.asked.length > 0)
})

t.test('S-25 the classic client is told as well', async (t) => {
  const server = await serveImages(t)
  const proxy = await openFaultyProxy(t, server.url)
  const { hostname: host, port } = new URL(proxy.url)
  const client = new LegacyClient({ host, port: Number(port), ...quick })
  t.teardown(() => client.close())
  const { id } = await client.addImage({ name: 'x' }, BYTES)
  const [, whole] = await client.getImage(id)
  t.ok((await buffer(whole)).equals(BYTES))
  await client.close()
  const read = async (what: 'flip' | 'cut' | 'stall') => {
    proxy.down = { at: AT, what }
    const other = new LegacyClient({ host, port: Number(port), ...impatient })
    t.teardown(() => other.close())
    const [, data] = await other.getImage(id)
    return buffer(data)
  }
  await t.rejects(read('flip'), { code: 'DIGEST_MISMATCH' })
  await t.rejects(read('cut'), { code: 'CONNECTION_CLOSED' })
  await t.rejects(read('stall'), { code: 'TIMEOUT' })
})

t.test('S-25 an upload is compared with what was stored, when that is wanted', async (t) => {
  const server = await serveImages(t)
  const proxy = await openFaultyProxy(t, server.url)
  const open = (options: Partial<TankClientOptions> = quick) => {
    const client = createTankClient({ url: proxy.url, ...options })
    t.teardown(() => client.close())
    return client
  }
  const file = `${t.testdir()}/disk`
  await writeFile(file, BYTES)
  const [good, flipped, cut, stalled] = [open(), open(), open(), open(impatient)]
  const made = async (fault?: 'flip' | 'cut' | 'stall') => {
    proxy.up = undefined
    const direct = createTankClient({ url: server.url })
    const { id } = await direct.create({ name: 'x' })
    await direct.close()
    proxy.up = fault && { at: AT, what: fault }
    return id
  }
  await good.upload(await made(), file, { verify: true })
  await t.rejects(flipped.upload(await made('flip'), file, { verify: true }), {
    code: 'DIGEST_MISMATCH',
    message: /delete the image/
  })
  await t.rejects(cut.upload(await made('cut'), file), { code: 'CONNECTION_CLOSED' })
  await t.rejects(stalled.upload(await made('stall'), file), { code: 'TIMEOUT' })
})
