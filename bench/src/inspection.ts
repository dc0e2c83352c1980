import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInspector } from '@tank/inspect'
import { createFigures, type Figures } from './figures.ts'
import type { Options } from './options.ts'

const MIB = 2 ** 20
const CHUNK = 64 * 1024
const MOST_BYTES = 64 * MIB

const HASHED = 'hashed'
const BOTH = 'hashed and inspected'
const INSPECTED = 'inspected'
export const WAYS = [HASHED, BOTH, INSPECTED] as const

/** The image, then other bytes up to the size, as a service gets them; MiB for each second of CPU time. */
function pace(image: Uint8Array, size: number, way: (typeof WAYS)[number]): number {
  const rest = new Uint8Array(CHUNK).fill(0x5a)
  const hash = way === INSPECTED ? undefined : createHash('sha256')
  const from = process.cpuUsage()
  const inspector = way === HASHED ? undefined : createInspector()
  for (let at = 0; at < size; at += CHUNK) {
    const chunk = at < image.length ? image.subarray(at, at + CHUNK) : rest
    hash?.update(chunk)
    inspector?.push(chunk)
  }
  hash?.digest()
  inspector?.end()
  inspector?.report()
  const { user, system } = process.cpuUsage(from)
  return size / MIB / ((user + system) / 1e6)
}

/** What inspecting costs beside the hash that every image gets anyway. */
export function runInspection(
  { inspect = '', mib, reps }: Options,
  say: (text: string) => void
): Figures {
  const figures = createFigures()
  const names = readdirSync(inspect).filter((name) => {
    const stat = statSync(join(inspect, name))
    return stat.isFile() && stat.size <= MOST_BYTES
  })
  for (const name of names) {
    const image = readFileSync(join(inspect, name))
    for (const size of mib) {
      say(`${name}: ${size} MiB`)
      const measure = { title: `${name}, ${size} MiB`, unit: 'MiB/s', digits: 0, less: false }
      for (let run = 0; run < reps; run++)
        for (const way of WAYS) figures.note(measure, way, pace(image, size * MIB, way))
    }
  }
  return figures
}
