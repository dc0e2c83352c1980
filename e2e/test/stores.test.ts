import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import {
  type Backend,
  chaseBackend,
  entriesOf,
  s3Backend,
  waitUntilEmpty
} from '../src/backends.ts'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { type Cluster, patience, startCluster } from '../src/cluster.ts'
import { command } from '../src/command.ts'
import { waitForBytes } from '../src/folder.ts'
import type { Images } from '../src/images.ts'
import { openMirror } from '../src/mirror.ts'
import { memoryMiB, processesLike, signalAll } from '../src/processes.ts'
import { isSoak, missingCommand, testWith } from '../src/require.ts'
import { tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(isSoak ? 3_600_000 : 900_000)

const servers = fileURLToPath(new URL('../../servers/', import.meta.url))
const GiB = 1024 * MiB
const rounds = isSoak ? 10 : 2

interface Opened {
  readonly cluster: Cluster
  readonly images: Images
}

/** An API over one backend. */
async function openOver(t: Test, backend: Backend, api: object = {}): Promise<Opened> {
  const stores = { main: backend.config }
  const cluster = await startCluster(t, { apis: 1, api: { stores, defaultStore: 'main', ...api } })
  const [images] = cluster.images
  if (images === undefined) throw new Error('no cluster')
  return { cluster, images }
}

async function proves(t: Test, images: Images, id: string, size: number, seed: number) {
  const got = await images.download(id)
  t.match(got, { status: 200, size, sha256: patternDigest(size, seed), isComplete: true })
}

for (const open of [s3Backend, chaseBackend]) {
  const small = open === s3Backend ? { partSize: 5 * MiB } : { segmentSize: MiB }
  const piece = Object.values(small)[0] ?? MiB

  await testWith(t, `${open().name}: sizes`, [open().missing], async (t) => {
    const backend = open(small)
    const { cluster, images } = await openOver(t, backend)
    const sizes = [0, 1, piece - 1, piece, piece + 1, 40 * MiB + 3]
    for (const size of isSoak ? [...sizes, 200 * MiB + 3, 6 * GiB] : sizes) {
      for (const options of [{ length: size }, {}]) {
        const about = `${size} bytes${'length' in options ? '' : ' of unknown length'}`
        const { id } = await images.create()
        const put = await images.upload(id, pattern({ size, seed: 3 }), options)
        t.equal(put.status, 204, about, { answer: put.body.toString() })
        await proves(t, images, id, size, 3)
        t.match(await images.show(id), { size, stores: 'main' })
        t.equal((await images.delete(id)).status, 204)
      }
    }
    const held = memoryMiB(cluster.apis[0]?.pids ?? [])
    t.ok(held <= 300, `${held} MiB of memory`)
    // 6 GiB are thousands of such pieces, which are deleted one by one
    await waitUntilEmpty(backend, isSoak ? 600_000 : patience)
  })

  await testWith(
    t,
    `${open().name}: kill -9 in the middle of an upload`,
    [open().missing],
    async (t) => {
      const backend = open()
      const { cluster, images } = await openOver(t, backend)
      for (let round = 0; round < rounds; round++) {
        const blocks = isSoak ? 1024 : 256
        const killAt = randomInt(8, blocks)
        t.comment(`round ${round}: killed after ${killAt} MiB`)
        const { id } = await images.create()
        let killed: Promise<void> | undefined
        const upload = images
          .upload(
            id,
            pattern({
              size: blocks * MiB,
              onBlock(index) {
                if (index === killAt) killed = cluster.apis[0]?.kill()
              }
            }),
            round % 2 === 0 ? { length: blocks * MiB } : {}
          )
          .then(
            ({ status }) => status,
            () => 0
          )
        await until('the kill', 300_000, () => (killed === undefined ? undefined : true))
        await killed
        t.not(await upload, 204)
        await cluster.restartApi(0)
        await images.waitFor(id, 'queued', patience)
        await waitUntilEmpty(backend, patience)
        const again = await images.upload(id, pattern({ size: 24 * MiB, seed: 5 }))
        t.equal(again.status, 204, 'the image is usable again')
        await proves(t, images, id, 24 * MiB, 5)
        await images.delete(id)
        await waitUntilEmpty(backend, patience)
      }
    }
  )
}

/** Asks for a list again and again; says how many milliseconds the answers took, sorted. */
function watchAnswers(images: Images): { stop(): Promise<number[]> } {
  let isOver = false
  const took: number[] = []
  const run = (async () => {
    while (!isOver) {
      const began = performance.now()
      const { status } = await images.call('GET', '/v2/images?limit=5')
      if (status !== 200) throw new Error(`list: ${status}`)
      took.push(performance.now() - began)
      await sleep(100)
    }
    return took.sort((a, b) => a - b)
  })()
  return {
    stop: () => {
      isOver = true
      return run
    }
  }
}

const cephServer = missingCommand('ceph-osd')
await testWith(
  t,
  'Ceph dies in the middle of an upload and comes back',
  [s3Backend().missing, cephServer],
  async (t) => {
    const backend = s3Backend()
    const { images } = await openOver(t, backend)
    const { id } = await images.create()
    const size = 256 * MiB
    let back: Promise<unknown> | undefined
    const put = await images
      .upload(
        id,
        pattern({
          size,
          pauseMs: 10,
          onBlock(index) {
            if (index !== 64) return
            back = command(join(servers, 's3.sh'), ['crash']).then(() =>
              command(join(servers, 's3.sh'), ['start'], { timeoutMs: 120_000 })
            )
          }
        })
      )
      .then(
        ({ status }) => status,
        () => 0
      )
    await back
    t.ok([0, 204, 500, 503].includes(put), `the upload ends: ${put}`)
    if (put === 204) await proves(t, images, id, size, 1)
    else {
      await images.waitFor(id, 'queued', patience)
      t.equal((await images.upload(id, pattern({ size: 8 * MiB }))).status, 204)
      await proves(t, images, id, 8 * MiB, 1)
    }
    await images.delete(id)
    await waitUntilEmpty(backend, 60_000)
  }
)

await testWith(t, 'Swift stands still for 30 seconds', [chaseBackend().missing], async (t) => {
  const backend = chaseBackend()
  const { images } = await openOver(t, backend)
  const { id } = await images.create()
  const size = 128 * MiB
  const swift = () => processesLike(/swift-(proxy|account|container|object)-server/)
  t.ok(swift().length > 0, 'Swift runs here')
  t.teardown(() => signalAll(swift(), 'SIGCONT'))
  let watch: ReturnType<typeof watchAnswers> | undefined
  let took: number[] = []
  let standing: Promise<void> | undefined
  const put = await images
    .upload(
      id,
      pattern({
        size,
        pauseMs: 5,
        onBlock(index) {
          if (index !== 32) return
          signalAll(swift(), 'SIGSTOP')
          watch = watchAnswers(images)
          standing = sleep(30_000).then(async () => {
            took = (await watch?.stop()) ?? []
            signalAll(swift(), 'SIGCONT')
          })
        }
      })
    )
    .then(
      ({ status }) => status,
      () => 0
    )
  await standing
  t.ok([204, 500, 503].includes(put), `the upload ends: ${put}`)
  const [usual = 1e9, slowest = 1e9] = [took[Math.floor(took.length * 0.95)], took.at(-1)]
  t.ok(usual < 100, `19 of 20 other requests took less than ${Math.ceil(usual)} ms`)
  t.ok(slowest < 1000, `none took longer than ${Math.ceil(slowest)} ms`)
  if (put === 204) await proves(t, images, id, size, 1)
  else await images.waitFor(id, 'queued', patience)
  await images.delete(id)
  await waitUntilEmpty(backend, 60_000)
})

const all = [s3Backend().missing, chaseBackend().missing]
await testWith(
  t,
  'files, S3, Chase and HTTP at once',
  [...all, missingCommand('glance')],
  async (t) => {
    const size = 20 * MiB + 7
    const bytes: Buffer[] = []
    for await (const chunk of pattern({ size, seed: 9 })) bytes.push(chunk)
    const mirror = await openMirror(t, Buffer.concat(bytes))
    const [s3, chase] = [s3Backend(), chaseBackend()]
    const web = {
      use: '@tank/store-http',
      allowHttp: true,
      allow: ['127.0.0.1'],
      ports: [Number(new URL(mirror).port)]
    }
    const files = join(await tempFolder(t), 'images')
    const cluster = await startCluster(t, {
      apis: 1,
      store: files,
      api: {
        stores: {
          files: { use: '@tank/store-fs', root: files, description: 'this machine' },
          s3: s3.config,
          chase: chase.config,
          web
        },
        defaultStore: 'files'
      }
    })
    const [images] = cluster.images
    if (images === undefined) throw new Error('no cluster')
    const glance = async (...args: string[]) => {
      // a home for each call: this client trips over the schema of images that it keeps there
      const home = await tempFolder(t)
      const endpoint = cluster.apis[0]?.url ?? ''
      const given = ['--os-auth-token', 'none', '--os-image-url', endpoint, ...args]
      const { code, stdout, stderr } = await command('glance', given, {
        env: { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8' },
        timeoutMs: 60_000
      })
      t.equal(code, 0, `glance ${args.slice(0, 3).join(' ')}`, { stdout, stderr })
      return stdout
    }
    const storesOf = async (id: string) =>
      String((await images.show(id)).stores)
        .split(',')
        .sort()
    const copied = (id: string, to: string) =>
      until(`${id} is in ${to}`, 60_000, async () =>
        (await storesOf(id)).includes(to) ? true : undefined
      )

    await t.test('STO an upload to each by its header', async (t) => {
      for (const store of ['files', 's3', 'chase']) {
        const { id } = await images.create()
        t.equal((await images.upload(id, pattern({ size, seed: 9 }), { store })).status, 204, store)
        t.same(await storesOf(id), [store])
        await proves(t, images, id, size, 9)
        await images.delete(id)
      }
      const { id } = await images.create()
      t.equal((await images.upload(id, pattern({ size: 1 }), { store: 'web' })).status, 410)
      t.equal((await images.upload(id, pattern({ size: 1 }), { store: 'none' })).status, 400)
      await images.delete(id)
    })

    await t.test('LOC an image that lies on a web server', async (t) => {
      const { id } = await images.create()
      const answer = await images.call('POST', `/v2/images/${id}/locations`, { url: mirror })
      t.equal(answer.status, 202, answer.body.toString())
      await images.waitFor(id, 'active', 30_000)
      t.same(await storesOf(id), ['web'])
      await until('its digests', 30_000, async () =>
        (await images.show(id)).os_hash_value === patternDigest(size, 9) ? true : undefined
      )
      await proves(t, images, id, size, 9)
      t.equal((await images.delete(id)).status, 204)
    })

    await t.test(
      'copies from store to store, and out of one, by the client of the cloud',
      async (t) => {
        const { id } = await images.create({ name: 'travels' })
        t.equal(
          (await images.upload(id, pattern({ size, seed: 9 }), { store: 'files' })).status,
          204
        )
        t.match(await glance('stores-info'), /chase[\s\S]*files|files[\s\S]*chase/)
        await glance('image-import', '--import-method', 'copy-image', '--stores', 's3', id)
        await copied(id, 's3')
        await glance('image-import', '--import-method', 'copy-image', '--stores', 'chase', id)
        await copied(id, 'chase')
        t.same(await storesOf(id), ['chase', 'files', 's3'])
        t.match(await glance('image-show', id), /travels/)
        await glance('stores-delete', '--store', 'files', id)
        t.same(await storesOf(id), ['chase', 's3'])
        await glance('stores-delete', '--store', 's3', id)
        await proves(t, images, id, size, 9)
        await waitUntilEmpty(s3, patience)
        t.equal((await entriesOf(chase)).length, 1)
        await waitForBytes(cluster.store, 0, patience)
        await images.delete(id)
        await waitUntilEmpty(chase, patience)
      }
    )
  }
)
