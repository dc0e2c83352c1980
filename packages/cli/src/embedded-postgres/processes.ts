import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/**
 * Tells one process from a later one with the same pid: the boot and the moment it was started.
 * Undefined when there is no such process.
 */
export function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  if (stat !== undefined) {
    // the name of the program, in brackets, may hold anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    const boot = read('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
    return `${boot}/${fields[19] ?? ''}`
  }
  if (process.platform === 'linux' || !isAlive(pid)) return undefined
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() || undefined
}

export async function waitForEnd(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

export interface ProcessFacts {
  /** Name of the program, without its folder. */
  readonly program: string
  /** Seconds since 1970. */
  readonly startedAt: number
}

const TICKS_A_SECOND = 100

/** What kind of process has a pid; undefined when there is none. */
export function factsOf(pid: number): ProcessFacts | undefined {
  const stat = read(`/proc/${pid}/stat`)
  if (stat !== undefined) {
    const end = stat.lastIndexOf(')')
    const fields = stat.slice(end + 2).split(' ')
    const boot = Number(/^btime (\d+)$/m.exec(read('/proc/stat') ?? '')?.[1] ?? Number.NaN)
    return {
      program: stat.slice(stat.indexOf('(') + 1, end),
      startedAt: boot + Number(fields[19]) / TICKS_A_SECOND
    }
  }
  if (process.platform === 'linux' || !isAlive(pid)) return undefined
  const ps = (what: string) =>
    spawnSync('ps', ['-o', `${what}=`, '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }
    }).stdout.trim()
  return { program: ps('comm').split('/').at(-1) ?? '', startedAt: Date.parse(ps('lstart')) / 1000 }
}
