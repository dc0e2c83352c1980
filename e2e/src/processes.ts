import { readdirSync, readFileSync } from 'node:fs'

interface Entry {
  readonly pid: number
  readonly parent: number
  readonly state: string
}

function entries(): Entry[] {
  const found: Entry[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state = '', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      found.push({ pid: Number(name), parent: Number(parent), state })
    } catch {
      // ended while we looked
    }
  }
  return found
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/**
 * A process with everything below it, and every process with what is below it whose command line
 * names the mark (a database server leaves the family of its parent, but names its data folder).
 */
export function family(pid: number, mark?: string): number[] {
  const all = entries().filter((entry) => entry.state !== 'Z' && entry.pid !== process.pid)
  const chosen = new Set(
    all
      .filter(
        (entry) =>
          entry.pid === pid || (mark !== undefined && commandLine(entry.pid).includes(mark))
      )
      .map((entry) => entry.pid)
  )
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size
    for (const entry of all) if (chosen.has(entry.parent)) chosen.add(entry.pid)
  }
  return [...chosen]
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // ended already
    }
  }
}

/** Processes whose command line fits. */
export function processesLike(pattern: RegExp): number[] {
  return entries()
    .map((entry) => entry.pid)
    .filter((pid) => pid !== process.pid && pattern.test(commandLine(pid)))
}

/** MiB of memory that the processes hold together, pages that they share counted once (PSS). */
export function memoryMiB(pids: readonly number[]): number {
  let kib = 0
  for (const pid of pids) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      kib += Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0)
    } catch {
      // ended already
    }
  }
  return Math.round(kib / 1024)
}
