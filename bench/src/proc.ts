import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Processes that are measured: a server without its database, and the database. */
export interface ProcessGroup {
  readonly server: readonly number[]
  readonly database: readonly number[]
}

export interface GroupRoots {
  readonly pid: number | undefined
  /** Root of the database's processes, when they do not belong to `pid`. */
  readonly db: number | undefined
}

const TICKS = ticksPerSecond()

function ticksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** `/proc/<pid>/stat` split behind the command, which may itself hold blanks and brackets. */
function statOf(pid: number | string): { command: string; fields: string[] } | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const end = text.lastIndexOf(')')
  return { command: text.slice(text.indexOf('(') + 1, end), fields: text.slice(end + 2).split(' ') }
}

/** Follows children; a process called `postgres` and all below it is the database. */
export function processGroup(roots: GroupRoots): ProcessGroup {
  const children = new Map<number, number[]>()
  const commands = new Map<number, string>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = statOf(name)
    if (stat === undefined) continue
    const parent = Number(stat.fields[1])
    commands.set(Number(name), stat.command)
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const server: number[] = []
  const database: number[] = []
  const walk = (pid: number, isDatabase: boolean) => {
    if (!commands.has(pid) || database.includes(pid) || server.includes(pid)) return
    const below = isDatabase || commands.get(pid) === 'postgres'
    if (below) database.push(pid)
    else server.push(pid)
    for (const child of children.get(pid) ?? []) walk(child, below)
  }
  if (roots.db !== undefined) walk(roots.db, true)
  if (roots.pid !== undefined) walk(roots.pid, false)
  return { server, database }
}

/** CPU seconds that the processes and their ended children have used. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const fields = statOf(pid)?.fields ?? []
    for (const field of fields.slice(11, 15)) ticks += Number(field)
  }
  return ticks / TICKS
}

/** CPU seconds that the whole machine has been busy since its start. */
export function machineSeconds(): number {
  const fields = (read('/proc/stat') ?? '').split('\n', 1)[0]?.split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields ?? []
  return (user + nice + system + irq + softirq + steal) / TICKS
}

/** MiB, every process for itself, so shared pages count several times. */
export function residentMib(pids: readonly number[]): number {
  let kib = 0
  for (const pid of pids) kib += kibOf(read(`/proc/${pid}/status`), 'VmRSS')
  return kib / 1024
}

/** MiB with shared pages divided among those who share them. */
export function proportionalMib(pids: readonly number[]): number {
  let kib = 0
  for (const pid of pids) kib += kibOf(read(`/proc/${pid}/smaps_rollup`), 'Pss')
  return kib / 1024
}

function kibOf(text: string | undefined, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text ?? '')?.[1] ?? 0)
}
