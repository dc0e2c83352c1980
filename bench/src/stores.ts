import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { measure } from './measure.ts'
import type { StoreTools, Target } from './options.ts'
import { createPattern, MIB, type Pattern } from './pattern.ts'
import { type Bench, createImage, filePath } from './transfers.ts'
import { type Endpoint, getBytes, putPattern } from './wire.ts'

/** Name of the column of the stores' own tools. */
export const TOOL = 'tool'

const GIB = 1024 * MIB
const GOAL = '≥ 0.8 ×'

/** Moves an image through each store, in turn with the tool that people use for that store. */
export async function runStores(bench: Bench): Promise<void> {
  const [target] = bench.options.targets
  if (target === undefined) throw new Error('--target is missing')
  const size = Math.max(...bench.options.mib) * MIB
  const pattern = createPattern(size)
  const folder = await mkdtemp(join(tmpdir(), 'tank-bench-'))
  try {
    const file = join(folder, 'image')
    await pipeline(Readable.from(blocks(pattern)), createWriteStream(file))
    for (let rep = 1; rep <= bench.options.reps; rep++) {
      for (const store of bench.options.stores) {
        bench.say(`store ${store.name}, run ${rep}`)
        await throughTank(bench, target, store.name, pattern)
        await throughTool(bench, store, file, size)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function* blocks(pattern: Pattern): Generator<Buffer> {
  for (let at = 0; at < pattern.size; ) {
    const piece = pattern.slice(at, Math.min(MIB, pattern.size - at))
    at += piece.length
    yield piece
  }
}

async function throughTank(
  bench: Bench,
  target: Target,
  store: string,
  pattern: Pattern
): Promise<void> {
  const id = await createImage(target)
  const into: Endpoint = {
    ...target.endpoint,
    headers: { ...target.endpoint.headers, 'x-image-meta-store': store }
  }
  const up = await measure(target.roots, () =>
    putPattern(into, filePath(id), pattern, pattern.size)
  )
  if (up.result.status !== 204) throw new Error(`${store}: the upload gave ${up.result.status}`)
  note(bench, `${store}: upload`, target.name, pattern.size, up.result.seconds, up.cost.serverCpu)
  const down = await measure(target.roots, () => getBytes(target.endpoint, filePath(id)))
  if (down.result.bytes !== pattern.size)
    throw new Error(`${store}: ${down.result.bytes} bytes came`)
  const { seconds } = down.result
  note(bench, `${store}: download`, target.name, pattern.size, seconds, down.cost.serverCpu)
  await target.client.delete(id)
}

async function throughTool(
  bench: Bench,
  { name, upload, download }: StoreTools,
  file: string,
  size: number
): Promise<void> {
  if (upload !== undefined) {
    const { seconds, cpu } = await shell(upload, file)
    note(bench, `${name}: upload`, TOOL, size, seconds, cpu)
  }
  if (download !== undefined) {
    const { seconds, cpu } = await shell(download, file)
    note(bench, `${name}: download`, TOOL, size, seconds, cpu)
  }
}

/** Runs a command of the shell and reads off what it took. */
function shell(command: string, file: string): Promise<{ seconds: number; cpu: number }> {
  const timed = `TIMEFORMAT='%R %U %S'; time { ${command}; } >/dev/null 2>/dev/null`
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-o', 'pipefail', '-c', timed], {
      env: { ...process.env, FILE: file },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    let text = ''
    child.stderr.on('data', (chunk) => {
      text += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => {
      const [seconds = 0, user = 0, system = 0] = text.trim().split(' ').map(Number)
      if (code === 0) resolve({ seconds, cpu: user + system })
      else reject(new Error(`${command}: ended with ${code}`))
    })
  })
}

function note(
  { figures }: Bench,
  what: string,
  target: string,
  bytes: number,
  seconds: number,
  cpu: number
): void {
  const rate = bytes / MIB / seconds
  const speed = { title: what, unit: 'MiB/s', digits: 0, less: false, goal: GOAL }
  figures.note(speed, target, rate)
  const cost = { title: `${what}: CPU`, unit: 's/GiB', digits: 2, less: true }
  figures.note(cost, target, cpu / (bytes / GIB))
}
