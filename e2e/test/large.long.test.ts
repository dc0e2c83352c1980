import type { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { pattern, patternDigest } from '../src/bytes.ts'
import { type Cluster, leases, startCluster } from '../src/cluster.ts'
import { FORM_TYPE, FORMATS, field, formStream } from '../src/form.ts'
import { type Answer, request } from '../src/http.ts'
import { Images } from '../src/images.ts'
import { memoryMiB } from '../src/processes.ts'
import { isSoak } from '../src/require.ts'
import { DATA, meta, RAW } from '../src/v1.ts'

t.setTimeout(isSoak ? 7_200_000 : 300_000)

const MiB = 2 ** 20
const SMALL = 64 * MiB
const LARGE = isSoak ? 20_480 * MiB : 320 * MiB
/** What an image of any size may take more than a small one: noise of the garbage collector. */
const MORE_MIB = 32
/** MiB, of a process that serves one client. */
const MOST_MIB = 250

/** The most memory that a process had while something went on. */
async function peakOf(pids: readonly number[], work: () => Promise<unknown>): Promise<number> {
  let peak = memoryMiB(pids)
  const timer = setInterval(() => {
    peak = Math.max(peak, memoryMiB(pids))
  }, 50)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return peak
}

/** Gives Tank an image of so many bytes of `bytes` by one of its ways, and answers with its id. */
type Way = (cluster: Cluster, bytes: Readable, size: number) => Promise<string>

function baseOf({ apis: [api] }: Cluster): string {
  if (api === undefined) throw new Error('no API')
  return api.url
}

function idIn({ status, body }: Answer): string {
  const { id, image } = JSON.parse(body.toString())
  if (status !== 201) throw new Error(`${status} ${body}`)
  return id ?? image.id
}

const byPut =
  (isLengthKnown: boolean): Way =>
  async (cluster, bytes, size) => {
    const images = new Images(baseOf(cluster))
    const { id } = await images.create()
    const answer = await images.upload(id, bytes, isLengthKnown ? { length: size } : {})
    if (answer.status !== 204) throw new Error(`${answer.status} ${answer.body}`)
    return id
  }

/** As `curl -T` does it. */
const byV1: Way = async (cluster, body, size) => {
  const headers = { ...meta({ name: 'large', ...RAW }), ...DATA, 'content-length': size }
  return idIn(await request(`${baseOf(cluster)}/v1/images`, { method: 'POST', headers, body }))
}

const byForm: Way = async (cluster, bytes, size) => {
  const { body, length } = formStream([field('name', 'large'), ...FORMATS], bytes, size)
  const headers = { ...FORM_TYPE, accept: 'application/json', 'content-length': length }
  return idIn(await request(`${baseOf(cluster)}/ui/upload`, { method: 'POST', headers, body }))
}

const WAYS: Readonly<Record<string, Way>> = {
  'known length': byPut(true),
  'unknown length': byPut(false),
  'the Image API v1': byV1,
  'a form of a browser': byForm
}
/** In each run; the others in the soak. */
const SHORT = ['unknown length', 'the Image API v1', 'a form of a browser']

async function roundTrip(t: Test, cluster: Cluster, way: Way, size: number) {
  const [images] = cluster.images
  const pids = cluster.apis[0]?.pids ?? []
  if (images === undefined || pids.length === 0) throw new Error('no API')
  let id = ''
  const up = await peakOf(pids, async () => {
    id = await way(cluster, pattern({ size, seed: 7 }), size)
  })
  const down = await peakOf(pids, async () => {
    const sha256 = patternDigest(size, 7)
    t.match(await images.download(id), { status: 200, size, sha256, isComplete: true })
  })
  t.equal((await images.delete(id)).status, 204)
  return { up, down }
}

t.test('UPL12: memory is the same for small and large images', async (t) => {
  const cluster = await startCluster(t, { apis: 1 })
  for (const name of isSoak ? Object.keys(WAYS) : SHORT) {
    const way = WAYS[name] as Way
    // once to have everything loaded and grown
    await roundTrip(t, cluster, way, SMALL)
    const small = await roundTrip(t, cluster, way, SMALL)
    const large = await roundTrip(t, cluster, way, LARGE)
    const about = `by ${name}: ${JSON.stringify({ small, large })}`
    for (const direction of ['up', 'down'] as const) {
      t.ok(large[direction] - small[direction] <= MORE_MIB, `${direction}, ${about}`)
      t.ok(large[direction] <= MOST_MIB, `${direction}, ${about}`)
    }
  }
})

t.test('UPL12: an upload may take as long as it takes', async (t) => {
  const { images } = await startCluster(t, { apis: 1 })
  const [client] = images
  if (client === undefined) throw new Error('no API')
  // longer than Node gives a request by itself, or than some leases
  const seconds = isSoak ? 400 : leases.leaseSeconds * 4
  const { id } = await client.create()
  const began = performance.now()
  const { status } = await client.upload(
    id,
    pattern({ size: 20 * MiB, seed: 2, pauseMs: (seconds * 1000) / 20 })
  )
  t.equal(status, 204)
  t.ok(performance.now() - began >= seconds * 1000)
  const sha256 = patternDigest(20 * MiB, 2)
  t.match(await client.download(id), { size: 20 * MiB, sha256, isComplete: true })
})
