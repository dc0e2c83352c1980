import { randomBytes } from 'node:crypto'
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { s3Backend } from '../../src/backends.ts'
import { MiB, pattern, patternDigest } from '../../src/bytes.ts'
import { countingStore, readsOf } from '../../src/counting-store.ts'
import { FakeStore } from '../../src/fake-store.ts'
import { openFront } from '../../src/front.ts'
import { Images } from '../../src/images.ts'
import { isSoak, testWith } from '../../src/require.ts'
import { missingMounts, smallDisk } from '../../src/small-disk.ts'
import { ADMIN, openStack, P1 } from '../../src/stack.ts'
import { startTank, type Tank, tempFolder } from '../../src/tank.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(300_000)

interface Node {
  readonly tank: Tank
  readonly images: Images
  readonly counter: string
  /** `<data-dir>/cache` */
  readonly cache: string
  restart(): Promise<Node>
}

async function startNode(t: Test, pauseMs: number, folder?: string): Promise<Node> {
  const place = folder ?? (await tempFolder(t))
  const data = join(place, 'data')
  const counter = join(place, 'reads')
  const root = join(place, 'far')
  const tank = await startTank(t, {
    command: 'serve',
    config: { api: { stores: { far: { use: countingStore, root, counter, pauseMs } }, cache: {} } },
    args: ['--data-dir', data, '--workers', '3'],
    folder: place,
    mark: place
  })
  return {
    tank,
    images: new Images(tank.url),
    counter,
    cache: join(data, 'cache'),
    restart: () => startNode(t, pauseMs, place)
  }
}

async function upload(images: Images, size: number): Promise<string> {
  const { id } = await images.create()
  const { status } = await images.upload(id, pattern({ size }))
  if (status !== 204) throw new Error(`upload: ${status}`)
  return id
}

const filesIn = (cache: string, folder: string) => readdir(join(cache, folder)).catch(() => [])

const waitUntilCached = (cache: string, id: string) =>
  until(`${id} is cached`, 60_000, async () =>
    (await filesIn(cache, 'images')).some((name) => name.startsWith(id)) ? true : undefined
  )

const waitUntilFilling = (cache: string, id: string) =>
  until(`${id} is being filled`, 30_000, async () =>
    (await filesIn(cache, 'filling')).some((name) => name.startsWith(id)) ? true : undefined
  )

/** The process that writes: it alone opened the file by its own name. */
async function writerOf({ tank, cache }: Node): Promise<number> {
  for (const pid of tank.pids) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
      if (path.startsWith(join(cache, 'parts'))) return pid
    }
  }
  throw new Error('nobody writes')
}

await t.test('K9: 200 clients of three workers read the store once', async (t) => {
  const { images, counter, cache } = await startNode(t, isSoak ? 40 : 80)
  const size = (isSoak ? 24 : 6) * MiB + 5
  const id = await upload(images, size)
  const before = await readsOf(counter)
  const all = await Promise.all(Array.from({ length: 200 }, () => images.download(id)))
  t.equal(await readsOf(counter), before + 1)
  const digest = patternDigest(size)
  t.same(
    all.filter((each) => each.sha256 !== digest || !each.isComplete || each.status !== 200),
    []
  )
  await waitUntilCached(cache, id)
  t.match(await images.download(id), { sha256: digest, isComplete: true })
  t.equal(await readsOf(counter), before + 1)
})

/** Passes requests on to a server of S3, and counts those that read objects. */
async function countReads(t: Test, target: string) {
  const seen = { reads: 0 }
  const endpoint = await openFront(t, target, (path, _outgoing, method) => {
    if (method === 'GET' && !/uploads|list-type/.test(path)) seen.reads += 1
    return path
  })
  return { seen, endpoint }
}

await testWith(
  t,
  'K9: 200 clients read one image in S3: its server is asked once',
  [s3Backend().missing],
  async (t) => {
    const { seen, endpoint } = await countReads(t, process.env.TANK_TEST_S3_ENDPOINT ?? '')
    const folder = await tempFolder(t)
    const tank = await startTank(t, {
      command: 'serve',
      config: { api: { stores: { s3: s3Backend({ endpoint }).config }, cache: {} } },
      args: ['--data-dir', join(folder, 'data'), '--workers', '3'],
      folder,
      mark: folder
    })
    const images = new Images(tank.url)
    const size = (isSoak ? 64 : 8) * MiB + 5
    const id = await upload(images, size)
    const before = seen.reads
    const all = await Promise.all(Array.from({ length: 200 }, () => images.download(id)))
    t.equal(seen.reads, before + 1)
    const digest = patternDigest(size)
    t.same(
      all.filter((each) => each.sha256 !== digest || !each.isComplete || each.status !== 200),
      []
    )
    await images.delete(id)
  }
)

await t.test('CCH5: kill -9 of the worker that fills: the others go on', async (t) => {
  const node = await startNode(t, 150)
  const { images, cache } = node
  const size = 40 * MiB
  const digest = patternDigest(size)
  const id = await upload(images, size)
  const downloads = Array.from({ length: 30 }, () => images.download(id))
  await waitUntilFilling(cache, id)
  const victim = await until('somebody writes', 30_000, () => writerOf(node))
  process.kill(victim, 'SIGKILL')
  const all = await Promise.allSettled(downloads)
  const whole = all.flatMap((each) =>
    each.status === 'fulfilled' && each.value.isComplete ? [each.value] : []
  )
  t.ok(whole.length >= 10, `${whole.length} of 30 were not cut`)
  t.same(
    whole.filter((each) => each.sha256 !== digest),
    [],
    'no part is taken for the whole'
  )
  t.match(await images.download(id), { sha256: digest, isComplete: true })
  await waitUntilCached(cache, id)
  await until('nothing is left of the killed one', 30_000, async () =>
    (await filesIn(cache, 'parts')).length === 0 ? true : undefined
  )
})

await t.test('CCH5: a power cut in mid-fill leaves nothing that is served', async (t) => {
  const node = await startNode(t, 150)
  const size = 40 * MiB
  const id = await upload(node.images, size)
  const reading = node.images.download(id).catch(() => undefined)
  await waitUntilFilling(node.cache, id)
  await node.tank.kill()
  await reading
  t.same(await filesIn(node.cache, 'images'), [])
  t.equal((await filesIn(node.cache, 'parts')).length, 1)
  const { images } = await node.restart()
  const digest = patternDigest(size)
  // the first one may still wait for the writer that is gone
  for (let n = 0; n < 2; n++) {
    t.match(await images.download(id), { status: 200, sha256: digest, isComplete: true })
  }
  await waitUntilCached(node.cache, id)
  await until('the part is removed', 60_000, async () =>
    (await filesIn(node.cache, 'parts')).length === 0 ? true : undefined
  )
  t.same(await filesIn(node.cache, 'filling'), [])
})

await testWith(
  t,
  'a full disk of the cache is nothing to clients',
  [missingMounts()],
  async (t) => {
    const dir = await smallDisk(t, 2)
    const store = new FakeStore()
    const stack = await openStack({
      api: { stores: { far: { use: 'far' } }, defaultStore: 'far', cache: { dir } },
      plugins: { far: store.plugin() }
    })
    t.teardown(() => stack.close())
    const bytes = randomBytes(3 * MiB)
    const { id } = await stack.create(P1)
    t.equal((await stack.upload(P1, id, bytes)).status, 204)
    store.faults = { slow: 1 }
    const all = await Promise.all(
      Array.from({ length: 5 }, () => stack.call(P1, 'GET', `/v2/images/${id}/file`))
    )
    t.same(
      all.filter(({ status, body }) => status !== 200 || !body.equals(bytes)),
      []
    )
    t.ok(store.gets > 1, 'the stores gave the rest')
    for (const folder of ['images', 'parts', 'filling']) t.same(await filesIn(dir, folder), [])
    const { body } = await stack.json(ADMIN, 'GET', '/v2/cache')
    t.same(body, { cached_images: [], queued_images: [] })
  }
)
