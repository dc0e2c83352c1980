import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { type Alone, patience, startAlone } from '../src/cluster.ts'
import { waitForBytes } from '../src/folder.ts'
import { request } from '../src/http.ts'
import { tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(600_000)

const SIZE = 96 * MiB

/** A web server with one image, whose body is watched and may be slow. */
async function openMirror(t: Test, body: () => Readable): Promise<{ readonly port: number }> {
  const server = createServer(async (_request, response) => {
    response.writeHead(200, { 'content-length': SIZE })
    await pipeline(body(), response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port }
}

const stage = (alone: Alone, id: string, body: Readable) =>
  request(`${alone.tank.url}/v2/images/${id}/stage`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body
  }).then(
    ({ status }) => status,
    () => 0
  )

const importBy = (alone: Alone, id: string, method: object) =>
  alone.images.call('POST', `/v2/images/${id}/import`, { method })

/** Whole, right, and gone after its deletion with everything that was left of earlier tries. */
async function provesWhole(
  t: Test,
  { images, store }: Pick<Alone, 'images' | 'store'>,
  id: string
): Promise<void> {
  const got = await images.download(id)
  t.match(got, { status: 200, size: SIZE, sha256: patternDigest(SIZE), isComplete: true })
  await waitForBytes(store, SIZE, patience)
  t.equal((await images.delete(id)).status, 204)
  await waitForBytes(store, 0, patience)
}

await t.test('kill -9 of everything while an image is fetched: it is fetched again', async (t) => {
  let killed: Promise<void> | undefined
  let fetches = 0
  let kill = async () => {}
  const { port } = await openMirror(t, () => {
    const isFirst = ++fetches === 1
    const onBlock = (index: number) => {
      if (isFirst && index === 40) killed = kill()
    }
    return pattern({ size: SIZE, onBlock, pauseMs: isFirst ? 10 : 0 })
  })
  const web = { use: '@tank/store-http', allowHttp: true, allow: ['127.0.0.1'], ports: [port] }
  const store = join(await tempFolder(t), 'images')
  const main = { use: '@tank/store-fs', root: store }
  const alone = await startAlone(t, { stores: { main, web }, defaultStore: 'main' })
  kill = () => alone.tank.kill()
  const { id } = await alone.images.create()
  const uri = `http://127.0.0.1:${port}/disk.raw`
  t.equal((await importBy(alone, id, { name: 'web-download', uri })).status, 202)
  await until('the kill', 60_000, () => (killed === undefined ? undefined : true))
  await killed
  await alone.restart()
  await alone.images.waitFor(id, 'active', patience)
  t.equal(fetches, 2)
  await provesWhole(t, { images: alone.images, store }, id)
})

await t.test('kill -9 of everything while data is staged, and after it', async (t) => {
  const alone = await startAlone(t)
  const { id } = await alone.images.create()
  let killed: Promise<void> | undefined
  const onBlock = (index: number) => {
    if (index === 40) killed = alone.tank.kill()
  }
  t.equal(await stage(alone, id, pattern({ size: SIZE, onBlock, pauseMs: 10 })), 0)
  await killed
  await alone.restart()
  t.match(await alone.images.waitFor(id, 'queued', patience), { size: null })
  await waitForBytes(alone.store, 0, patience)
  t.equal(await stage(alone, id, pattern({ size: SIZE })), 204)
  await alone.tank.kill()
  await alone.restart()
  t.match(await alone.images.show(id), { status: 'uploading', size: SIZE }, 'it still waits')
  t.equal((await importBy(alone, id, { name: 'glance-direct' })).status, 202)
  await alone.images.waitFor(id, 'active', patience)
  await provesWhole(t, alone, id)
})
