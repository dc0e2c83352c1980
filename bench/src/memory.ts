import { markdownTable, show } from './figures.ts'
import { measure } from './measure.ts'
import type { Options, Target } from './options.ts'
import { createPattern, MIB } from './pattern.ts'
import { processGroup, proportionalMib, residentMib } from './proc.ts'
import { createImage, filePath } from './transfers.ts'
import { getBytes, putPattern } from './wire.ts'

export interface MemoryRow {
  readonly target: string
  readonly what: string
  readonly mib: number
  readonly seconds: number
  /** MiB */
  readonly rssBefore: number
  readonly rssPeak: number
  readonly pssPeak: number
}

/** Memory of the server's processes, without the database, at uploads and downloads of each size. */
export async function runMemory(
  options: Options,
  say: (text: string) => void
): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = []
  for (const mib of options.mib) {
    for (const target of options.targets) {
      if (target.roots.pid === undefined) throw new Error(`--target ${target.name}: pid is missing`)
      const id = await createImage(target)
      try {
        say(`upload ${mib} MiB: ${target.name}`)
        rows.push(await observe(target, 'upload', mib, () => send(target, id, mib)))
        say(`download ${mib} MiB: ${target.name}`)
        rows.push(await observe(target, 'download', mib, () => receive(target, id, mib)))
      } finally {
        await target.client.delete(id)
      }
    }
  }
  return rows
}

async function send(target: Target, id: string, mib: number): Promise<void> {
  const pattern = createPattern(mib * MIB)
  const { status } = await putPattern(target.endpoint, filePath(id), pattern, pattern.size)
  const image = await target.client.show(id)
  if (status !== 204 || image.status !== 'active' || image.size !== pattern.size) {
    throw new Error(`${target.name}: the upload was answered with ${status}`)
  }
}

async function receive(target: Target, id: string, mib: number): Promise<void> {
  const { status, bytes } = await getBytes(target.endpoint, filePath(id))
  if (status !== 200 || bytes !== mib * MIB) throw new Error(`${target.name}: ${bytes} bytes came`)
}

async function observe(
  target: Target,
  what: string,
  mib: number,
  work: () => Promise<void>
): Promise<MemoryRow> {
  const rssBefore = residentMib(processGroup(target.roots).server)
  const { cost } = await measure(target.roots, work)
  return {
    target: target.name,
    what,
    mib,
    seconds: cost.seconds,
    rssBefore,
    rssPeak: cost.peakRss,
    pssPeak: Math.max(cost.peakPss, proportionalMib(processGroup(target.roots).server))
  }
}

export function memoryTable(rows: readonly MemoryRow[]): string {
  return markdownTable(
    ['transfer', 'target', 'seconds', 'RSS before, MiB', 'peak RSS, MiB', 'peak PSS, MiB'],
    rows.map((row) => [
      `${row.what} ${row.mib} MiB`,
      row.target,
      show(row.seconds, 1),
      show(row.rssBefore, 0),
      show(row.rssPeak, 0),
      show(row.pssPeak, 0)
    ])
  )
}
