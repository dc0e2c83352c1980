import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { inspect } from '../samples/inspect.ts'
import { Coverage } from './coverage.ts'
import { minimise } from './minimise.ts'
import { mutate } from './mutate.ts'
import { check, checkKept } from './oracle.ts'
import { qemuFollows } from './qemu.ts'
import { Random } from './random.ts'
import { type Seed, seeds } from './seeds.ts'

export interface Job {
  readonly seed: number
  readonly until: number
  readonly out: string
  readonly images: string | undefined
  /** Ask qemu-img about images that are called safe. */
  readonly isWithQemu: boolean
  /** The image of now: its number, its length, and its bytes, for whoever watches. */
  readonly watched: SharedArrayBuffer
}

export interface Tally {
  readonly images: number
  readonly corpus: number
  readonly blocks: number
  readonly asked: number
  readonly faults: readonly { readonly fault: string; readonly file: string }[]
}

const BATCH = 32
const LARGE = 2 ** 19
const CHUNKS = [1, 2, 7, 61, 511, 512, 513, 4096, 65536]
const job: Job = workerData
const random = new Random(job.seed)
const words = new Int32Array(job.watched, 0, 2)
const shown = new Uint8Array(job.watched, 8)
const coverage = new Coverage()
const corpus: Seed[] = seeds(job.images)
const faults = new Map<string, string>()
let images = 0
let asked = 0

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

function show(bytes: Uint8Array): void {
  shown.set(bytes.subarray(0, shown.length))
  words[1] = bytes.length
  Atomics.add(words, 0, 1)
}

function save(bytes: Uint8Array, fault: string, find: (bytes: Uint8Array) => string | undefined) {
  if (faults.has(fault)) return
  const least = minimise(bytes, (candidate) => {
    show(candidate)
    return find(candidate) === fault
  })
  const digest = createHash('sha256').update(least).digest('hex').slice(0, 16)
  const file = join(job.out, `${fault.replace(/\W+/g, '-')}-${digest}.bin`)
  mkdirSync(job.out, { recursive: true })
  writeFileSync(file, least)
  faults.set(fault, file)
}

function tryOne(bytes: Uint8Array): void {
  images++
  show(bytes)
  const chunk = random.pick(CHUNKS)
  const fault = check(bytes, chunk)
  if (fault !== undefined) save(bytes, fault, (candidate) => check(candidate, chunk))
}

/** Tries some images; keeps those that run blocks which nobody ran before. */
function tryAll(batch: readonly Seed[]): void {
  for (const { bytes } of batch) tryOne(bytes)
  const fresh = coverage.learn(coverage.take())
  for (const seed of fresh.size === 0 ? [] : batch) {
    inspect(seed.bytes)
    const ran = [...coverage.take()].filter((block) => fresh.delete(block))
    if (ran.length === 0) continue
    corpus.push(seed)
    askQemu(seed.bytes)
  }
}

function askQemu(bytes: Uint8Array): void {
  if (!job.isWithQemu || inspect(bytes).verdict !== 'safe') return
  asked++
  const follows = qemuFollows(bytes)
  if (follows)
    save(bytes, 'qemu follows what was called safe', (candidate) =>
      inspect(candidate).verdict === 'safe' && qemuFollows(candidate)
        ? 'qemu follows what was called safe'
        : undefined
    )
}

/** New ones are worth more than those of the beginning, and large ones cost the time of many. */
function pickSeed(): Seed {
  for (;;) {
    const seed = random.isOne(2) ? random.pick(corpus) : random.pick(corpus.slice(-50))
    if (seed.bytes.length <= LARGE || random.isOne(8)) return seed
  }
}

function nextOne(): Seed {
  const seed = pickSeed()
  return { bytes: mutate(seed, random.pick(corpus).bytes, random), edges: seed.edges }
}

for (const { bytes } of corpus) tryOne(bytes)
coverage.learn(coverage.take())
let last = 0
while (Date.now() < job.until) {
  const batch = Array.from({ length: BATCH }, nextOne)
  tryAll(batch)
  const { bytes } = random.pick(batch)
  askQemu(bytes)
  if (random.isOne(12)) {
    const fault = await checkKept(bytes, random.below(bytes.length + 1), gc)
    // what is left of it would be no smaller
    if (fault !== undefined) save(bytes, fault, () => undefined)
  }
  if (Date.now() - last > 1000) {
    last = Date.now()
    tell()
  }
}
tell()

function tell(): void {
  const found = [...faults].map(([fault, file]) => ({ fault, file }))
  const tally: Tally = {
    images,
    corpus: corpus.length,
    blocks: coverage.size,
    asked,
    faults: found
  }
  parentPort?.postMessage(tally)
}
