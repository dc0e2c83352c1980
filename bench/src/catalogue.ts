import { type Rate, runLoad } from './keep-alive.ts'
import { measure } from './measure.ts'
import type { Target } from './options.ts'
import type { Bench } from './transfers.ts'
import { requestHead } from './wire.ts'
import { getLoad, hasWrk } from './wrk.ts'

const BODY = Buffer.from(
  JSON.stringify({
    name: 'bench',
    disk_format: 'qcow2',
    container_format: 'bare',
    tags: ['bench', 'debian'],
    min_ram: 512,
    os_distro: 'debian',
    os_version: '12',
    hw_disk_bus: 'virtio'
  })
)
const CREATE_CONNECTIONS = 16
const READ_CONNECTIONS = 32
const PAGE = 1_000

/** Creating, showing, listing and walking at growing sizes of the catalogue. */
export async function runCatalogue(bench: Bench): Promise<void> {
  const { options } = bench
  const have = new Map<Target, number>()
  for (const target of options.targets) have.set(target, (await walk(target)).images)
  const withWrk = await hasWrk()
  bench.say(withWrk ? 'small requests by wrk' : 'small requests by our own loop: wrk is missing')
  for (const size of [...options.sizes].sort((one, other) => one - other)) {
    await fill(bench, have, size)
    if (options.sections.has('show')) await reads(bench, 'show', '', size, withWrk)
    if (options.sections.has('list')) await reads(bench, 'list 20', '?limit=20', size, withWrk)
    if (options.sections.has('walk')) await walks(bench, have, size)
  }
}

/** Creates what is missing in slices, so that the targets take turns. */
async function fill(bench: Bench, have: Map<Target, number>, size: number): Promise<void> {
  const { reps, targets } = bench.options
  for (let rep = 0; rep < reps; rep++) {
    for (const target of targets) {
      const missing = size - (have.get(target) ?? 0)
      const requests = Math.ceil(missing / (reps - rep))
      if (requests <= 0) continue
      bench.say(`create up to ${size}: ${target.name}, ${requests} images`)
      const head = { 'content-type': 'application/json', 'content-length': String(BODY.length) }
      const request = Buffer.concat([
        requestHead(target.endpoint, 'POST', '/v2/images', head),
        BODY
      ])
      const { result, cost } = await measure(target.roots, () =>
        runLoad({
          endpoint: target.endpoint,
          request,
          requests,
          connections: CREATE_CONNECTIONS,
          status: 201
        })
      )
      have.set(target, (have.get(target) ?? 0) + requests)
      noteRate(bench, target, `create up to ${size}`, '≥ 15 ×', result, cost.serverCpu)
    }
  }
}

async function reads(
  bench: Bench,
  title: string,
  query: string,
  size: number,
  withWrk: boolean
): Promise<void> {
  const { reps, seconds, targets } = bench.options
  const paths = new Map<Target, string>()
  for (const target of targets) {
    const path = query === '' ? `/v2/images/${await anyImage(target)}` : `/v2/images${query}`
    paths.set(target, path)
    await getLoad({ ...loadOf(target, path), seconds: 1 }, withWrk)
  }
  for (let rep = 1; rep <= reps; rep++) {
    for (const target of targets) {
      bench.say(`${title} @ ${size}: ${target.name}, run ${rep}`)
      const load = { ...loadOf(target, paths.get(target) ?? ''), seconds }
      const { result, cost } = await measure(target.roots, () => getLoad(load, withWrk))
      const goal = query === '' ? '≥ 20 ×' : '≥ 25 ×'
      noteRate(bench, target, `${title} @ ${size}`, goal, result, cost.serverCpu)
    }
  }
}

function loadOf(target: Target, path: string) {
  return { endpoint: target.endpoint, path, connections: READ_CONNECTIONS }
}

async function walks(bench: Bench, have: Map<Target, number>, size: number): Promise<void> {
  const { reps, targets } = bench.options
  for (let rep = 1; rep <= reps; rep++) {
    for (const target of targets) {
      bench.say(`walk @ ${size}: ${target.name}, run ${rep}`)
      const { images, seconds } = await walk(target)
      const known = have.get(target)
      if (images !== known) throw new Error(`${target.name}: ${images} of ${known} images came`)
      const title = `walk through ${size}, pages of ${PAGE}`
      const goal = size === 10_000 ? '≤ 0.6 s' : ''
      bench.figures.note({ title, unit: 's', digits: 3, less: true, goal }, target.name, seconds)
    }
  }
}

async function walk(target: Target): Promise<{ images: number; seconds: number }> {
  const start = performance.now()
  const ids = new Set<string>()
  for await (const image of target.client.list({}, { pageSize: PAGE })) ids.add(image.id)
  return { images: ids.size, seconds: (performance.now() - start) / 1_000 }
}

async function anyImage(target: Target): Promise<string> {
  for await (const image of target.client.list({}, { pageSize: 1 })) return image.id
  throw new Error(`${target.name}: there is no image`)
}

function noteRate(
  bench: Bench,
  target: Target,
  title: string,
  goal: string,
  rate: Rate,
  serverCpu: number
): void {
  const { figures } = bench
  const { name, roots } = target
  if (rate.bad > 0) throw new Error(`${name}: ${rate.bad} wrong answers in ${title}`)
  figures.note({ title, unit: 'requests/s', digits: 0, less: false, goal }, name, rate.perSecond)
  figures.note({ title: `${title}: p50`, unit: 'ms', digits: 2, less: true }, name, rate.p50)
  figures.note({ title: `${title}: p99`, unit: 'ms', digits: 2, less: true }, name, rate.p99)
  if (roots.pid === undefined || rate.requests === 0) return
  const cpu = { title: `${title}: server CPU`, unit: 'ms/request', digits: 3, less: true }
  figures.note(cpu, name, (serverCpu * 1_000) / rate.requests)
}
