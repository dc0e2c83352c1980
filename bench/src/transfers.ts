import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import type { Figures } from './figures.ts'
import { type Cost, measure } from './measure.ts'
import type { Options, Target } from './options.ts'
import { createPattern, MIB, type Pattern } from './pattern.ts'
import { type Exchange, getBytes, putPattern } from './wire.ts'

const run = promisify(execFile)
const GIB = 1024 * MIB

export interface Bench {
  readonly options: Options
  readonly figures: Figures
  say(text: string): void
}

/** Uploads and downloads, one stream and four, the targets taking turns. */
export async function runTransfers(bench: Bench): Promise<void> {
  const { options } = bench
  const size = Math.max(...options.mib) * MIB
  const pattern = createPattern(size)
  pattern.digests(size)
  pattern.digests(size / 4)
  for (const target of options.targets) await warmUp(target, pattern)
  if (options.sections.has('upload')) {
    for (const streams of [1, 4]) {
      await turns(bench, `upload, ${streams} at once`, (target) =>
        uploadOnce(bench, target, pattern, streams)
      )
    }
  }
  if (options.sections.has('download')) await downloads(bench, pattern)
}

async function turns(
  bench: Bench,
  title: string,
  work: (target: Target) => Promise<void>
): Promise<void> {
  for (let rep = 1; rep <= bench.options.reps; rep++) {
    for (const target of bench.options.targets) {
      bench.say(`${title}: ${target.name}, run ${rep}`)
      await work(target)
    }
  }
}

async function warmUp(target: Target, pattern: Pattern): Promise<void> {
  const id = await createImage(target)
  const length = Math.min(8 * MIB, pattern.size)
  await putPattern(target.endpoint, filePath(id), pattern, length)
  await getBytes(target.endpoint, filePath(id))
  await target.client.delete(id)
}

async function uploadOnce(
  bench: Bench,
  target: Target,
  pattern: Pattern,
  streams: number
): Promise<void> {
  const length = pattern.size / streams
  const ids = await Promise.all(Array.from({ length: streams }, () => createImage(target)))
  // What was written before is not to be paid for in this run.
  await run('sync')
  const { result, cost } = await measure(target.roots, () =>
    Promise.all(ids.map((id) => putPattern(target.endpoint, filePath(id), pattern, length)))
  )
  for (const [index, id] of ids.entries()) {
    const status = result[index]?.status
    if (status !== 204) throw new Error(`${target.name}: an upload was answered with ${status}`)
    await checkImage(target, id, pattern, length)
  }
  for (const id of ids) await target.client.delete(id)
  const what = `upload ${streams} × ${length / MIB} MiB`
  const goal = streams === 1 ? '≥ 1.5 ×' : '≥ 1.3 ×'
  noteTransfer(bench, target, what, goal, result, cost, pattern.size)
}

/** The bytes that arrived have to be those that were sent, by the server's own account. */
async function checkImage(
  target: Target,
  id: string,
  pattern: Pattern,
  length: number
): Promise<void> {
  const image = await target.client.show(id)
  const { md5, ...others } = pattern.digests(length)
  const hashes: Readonly<Record<string, string>> = others
  const wanted = hashes[image.os_hash_algo ?? '']
  const right =
    image.status === 'active' &&
    image.size === length &&
    (image.checksum === null || image.checksum === md5) &&
    (wanted === undefined || image.os_hash_value === wanted)
  if (!right) throw new Error(`${target.name}: the record of an uploaded image is wrong`)
}

async function downloads(bench: Bench, pattern: Pattern): Promise<void> {
  const images = new Map<Target, string>()
  for (const target of bench.options.targets) {
    const id = await createImage(target)
    await putPattern(target.endpoint, filePath(id), pattern, pattern.size)
    images.set(target, id)
    await checkBytes(target, id, pattern)
  }
  await run('sync')
  for (const streams of [1, 4]) {
    await turns(bench, `download, ${streams} at once`, async (target) => {
      const path = filePath(images.get(target) ?? '')
      const { result, cost } = await measure(target.roots, () =>
        Promise.all(Array.from({ length: streams }, () => getBytes(target.endpoint, path)))
      )
      if (result.some((one) => one.status !== 200 || one.bytes !== pattern.size)) {
        throw new Error(`${target.name}: a download was not complete`)
      }
      const what = `download ${streams} × ${pattern.size / MIB} MiB`
      noteTransfer(bench, target, what, '≥ 1.5 ×', result, cost, pattern.size * streams)
    })
  }
  for (const [target, id] of images) await target.client.delete(id)
}

/** Not timed: hashing would take the time of what is measured. */
async function checkBytes(target: Target, id: string, pattern: Pattern): Promise<void> {
  const hash = createHash('sha256')
  const { status, bytes } = await getBytes(target.endpoint, filePath(id), hash)
  const same = hash.digest('hex') === pattern.digests(pattern.size).sha256
  if (status !== 200 || bytes !== pattern.size || !same) {
    throw new Error(`${target.name}: other bytes came back than were sent`)
  }
}

function noteTransfer(
  bench: Bench,
  target: Target,
  what: string,
  goal: string,
  exchanges: readonly Exchange[],
  cost: Cost,
  bytes: number
): void {
  const { figures } = bench
  const { name, roots } = target
  const seconds = Math.max(...exchanges.map((exchange) => exchange.seconds))
  const rate = bytes / MIB / seconds
  figures.note({ title: what, unit: 'MiB/s', digits: 0, less: false, goal }, name, rate)
  if (roots.pid === undefined) return
  const perGib = cost.serverCpu / (bytes / GIB)
  const indent = `${what}: server CPU`
  figures.note({ title: indent, unit: 's/GiB', digits: 2, less: true }, name, perGib)
  noteMemory(bench, target, what, cost)
}

/** Memory, and how quiet the machine was. */
function noteMemory(bench: Bench, target: Target, what: string, cost: Cost): void {
  const { figures } = bench
  const peak = { title: `${what}: peak RSS`, unit: 'MiB', digits: 0, less: true }
  figures.note({ ...peak, goal: '≤ 250 MiB' }, target.name, cost.peakRss)
  const title = `${what}: other work on the machine`
  const other = { title, unit: 'cores', digits: 2, less: true, compared: false }
  figures.note(other, target.name, cost.otherCores)
}

export function filePath(id: string): string {
  return `/v2/images/${encodeURIComponent(id)}/file`
}

export async function createImage(target: Target): Promise<string> {
  const image = await target.client.create({
    name: 'bench',
    disk_format: 'raw',
    container_format: 'bare'
  })
  return image.id
}
