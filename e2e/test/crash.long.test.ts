import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { leases, patience, startAlone, startCluster } from '../src/cluster.ts'
import { waitForBytes } from '../src/folder.ts'
import type { Images } from '../src/images.ts'
import { isRequired, isSoak } from '../src/require.ts'
import { until } from '../src/wait.ts'

t.setTimeout(isSoak ? 3_600_000 : 600_000)

const rounds = isSoak ? 20 : isRequired ? 3 : 1
const blocks = isSoak || isRequired ? 1024 : 256

/** Status of an answer, or 0 when the connection ended without one. */
const statusOf = (call: Promise<{ status: number }>) =>
  call.then(
    (answer) => answer.status,
    () => 0
  )

/** Uploads other bytes, reads them back, deletes the image and waits until the store is empty. */
async function provesUsable(t: Test, images: Images, id: string, store: string): Promise<void> {
  const size = 8 * MiB + 1
  const put = await images.upload(id, pattern({ size, seed: 77 }))
  t.equal(put.status, 204, 'the next upload succeeds', { answer: put.body.toString() })
  const got = await images.download(id)
  t.match(got, { status: 200, size, sha256: patternDigest(size, 77), isComplete: true })
  t.equal((await images.delete(id)).status, 204)
  await waitForBytes(store, 0, patience)
}

await t.test('kill -9 of everything in the middle of an upload', async (t) => {
  const alone = await startAlone(t)
  const { images, store } = alone
  const digest = patternDigest(blocks * MiB)
  for (let round = 0; round < rounds; round++) {
    // the last round ends just when the upload does
    const killAt = rounds > 1 && round === rounds - 1 ? blocks : randomInt(blocks)
    const delay = randomInt(200)
    t.comment(`round ${round}: killed after ${killAt} MiB and ${delay} ms`)
    const { id } = await images.create()
    let killed: Promise<void> | undefined
    const upload = statusOf(
      images.upload(
        id,
        pattern({
          size: blocks * MiB,
          onBlock(index) {
            if (index === killAt) killed = sleep(delay).then(() => alone.tank.kill())
          }
        }),
        round % 2 === 0 ? { length: blocks * MiB } : {}
      )
    )
    await until('the kill', 60_000, () => (killed === undefined ? undefined : true))
    await killed
    const status = await upload
    await alone.restart()

    const settled = await until('the image is not in between any more', patience, async () => {
      const image = await images.show(id)
      return image.status === 'queued' || image.status === 'active' ? image : undefined
    })
    if (settled.status === 'active') {
      const got = await images.download(id)
      t.match(got, { status: 200, size: blocks * MiB, sha256: digest }, 'whole and right')
      t.equal((await images.delete(id)).status, 204)
      await waitForBytes(store, 0, patience)
      continue
    }
    t.not(status, 204, 'what was confirmed is there')
    t.match(settled, { size: null, checksum: null, os_hash_value: null })
    await waitForBytes(store, 0, patience)
    await provesUsable(t, images, id, store)
  }
})

await t.test('the registry is killed and comes back while an upload runs', async (t) => {
  // longer than a registry takes to start on a busy machine
  const cluster = await startCluster(t, { apis: 1, registry: { leaseSeconds: 12 } })
  const [images, registry] = [cluster.images[0], cluster.registries[0]]
  if (images === undefined || registry === undefined) throw new Error('no cluster')
  const { id } = await images.create()
  const size = 200 * MiB
  let back: Promise<void> | undefined
  const put = await images.upload(
    id,
    pattern({
      size,
      pauseMs: 80,
      onBlock(index) {
        if (index === 20) {
          back = registry
            .kill()
            .then(() => sleep(500))
            .then(() => cluster.restartRegistry(0))
        }
      }
    })
  )
  await back
  t.equal(put.status, 204, 'a short absence harms nothing', { answer: put.body.toString() })
  t.match(await images.download(id), { status: 200, size, sha256: patternDigest(size) })
  t.equal((await images.delete(id)).status, 204)
  await waitForBytes(cluster.store, 0, patience)
})

await t.test('a registry and two APIs', async (t) => {
  const cluster = await startCluster(t, { apis: 2 })
  const [one, other] = cluster.images
  if (one === undefined || other === undefined) throw new Error('no cluster')

  await t.test('an API that slept beyond its lease loses to the one that took over', async (t) => {
    const asleep = cluster.apis[0]
    const { id } = await other.create()
    const size = 96 * MiB
    let stopped = false
    const first = statusOf(
      one.upload(
        id,
        pattern({
          size,
          seed: 1,
          pauseMs: 20,
          onBlock(index) {
            if (index !== 32) return
            asleep?.signal('SIGSTOP')
            stopped = true
          }
        })
      )
    )
    await until('the first upload runs', 30_000, () => stopped || undefined)
    await other.waitFor(id, 'queued', 2 * leases.leaseSeconds * 1000 + 2000)
    const put = await other.upload(id, pattern({ size, seed: 2 }), { length: size })
    t.equal(put.status, 204, 'the second upload wins', { answer: put.body.toString() })
    asleep?.signal('SIGCONT')
    t.not(await first, 204, 'the first one is told')
    const digest = patternDigest(size, 2)
    for (const images of [other, one]) {
      t.match(await images.download(id), { status: 200, size, sha256: digest })
    }
    await waitForBytes(cluster.store, size, patience)
    t.match(await other.download(id), { sha256: digest })
    t.equal((await other.show(id)).status, 'active')
    t.equal((await other.delete(id)).status, 204)
    await waitForBytes(cluster.store, 0, patience)
  })

  await t.test('the registry stays away for longer than a lease', async (t) => {
    const { id } = await one.create()
    let gone: Promise<void> | undefined
    const started = Date.now()
    const status = await statusOf(
      one.upload(
        id,
        pattern({
          size: 1024 * MiB,
          pauseMs: 100,
          onBlock(index) {
            if (index === 10) gone = cluster.registries[0]?.kill()
          }
        })
      )
    )
    await gone
    t.ok([0, 503].includes(status), `the upload ends: ${status}`)
    t.ok(Date.now() - started < 60_000, 'and soon')
    await cluster.restartRegistry(0)
    await one.waitFor(id, 'queued', patience)
    await waitForBytes(cluster.store, 0, patience)
    await provesUsable(t, one, id, cluster.store)
  })

  await t.test('an API that is killed leaves its uploads to its neighbours', async (t) => {
    const { id } = await one.create()
    let killed: Promise<void> | undefined
    const status = await statusOf(
      one.upload(
        id,
        pattern({
          size: 64 * MiB,
          pauseMs: 10,
          onBlock(index) {
            if (index === 32) killed = cluster.apis[0]?.kill()
          }
        })
      )
    )
    await killed
    t.equal(status, 0, 'the connection ended without an answer')
    await other.waitFor(id, 'queued', 2 * leases.leaseSeconds * 1000 + 2000)
    await waitForBytes(cluster.store, 0, patience)
    await provesUsable(t, other, id, cluster.store)
  })
})
