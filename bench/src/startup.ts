import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createFigures, type Figures } from './figures.ts'
import type { Options } from './options.ts'

const TANK = fileURLToPath(new URL('../../../packages/cli/dist/src/bin/tank.js', import.meta.url))
const NOTHING = 'nothing'
/** A shell knows milliseconds of its children; /proc counts in hundredths of a second. */
const SCRIPT = `TIMEFORMAT='%U %S'; { time "$@" >/dev/null 2>/dev/null </dev/null; } 2>&1`

export interface Startup {
  readonly figures: Figures
  readonly columns: readonly string[]
}

function cpuMs(command: readonly string[], url: string): number {
  const { stdout, status } = spawnSync('bash', ['-c', SCRIPT, 'bash', ...command], {
    encoding: 'utf8',
    env: { ...process.env, TANK_URL: url }
  })
  if (status !== 0) throw new Error(`${command.join(' ')} failed`)
  const [user = Number.NaN, system = Number.NaN] = stdout.trim().split(' ').map(Number)
  return (user + system) * 1000
}

/** CPU time of short commands against the first target, in turn with a Node.js that does nothing. */
export function runStartup({ targets, reps }: Options, say: (text: string) => void): Startup {
  const url = targets[0]?.url ?? ''
  const commands: [name: string, command: readonly string[]][] = [
    [NOTHING, [process.execPath, '-e', '0']],
    ['tank version', [process.execPath, TANK, 'version']],
    ['tank image list', [process.execPath, TANK, 'image', 'list', '--limit', '20']]
  ]
  const figures = createFigures()
  const whole = { title: 'whole process, CPU', unit: 'ms', digits: 0, less: true }
  const above = { ...whole, title: 'above nothing, CPU' }
  for (let run = 1; run <= reps; run++) {
    say(`start: ${run} of ${reps}`)
    let nothing = Number.NaN
    for (const [name, command] of commands) {
      const ms = cpuMs(command, url)
      if (name === NOTHING) nothing = ms
      else figures.note(above, name, ms - nothing)
      figures.note(whole, name, ms)
    }
  }
  return { figures, columns: commands.map(([name]) => name) }
}
