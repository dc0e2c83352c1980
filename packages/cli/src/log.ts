import { createLogger, createOutput } from '@tank/service'
import type { FastifyBaseLogger } from 'fastify'
import type { LogLevel } from './config.ts'

const LEVELS: Readonly<Record<number, string>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal'
}

interface Line {
  readonly level: number
  readonly time: number
  readonly msg?: string
  readonly err?: { readonly message?: string; readonly stack?: string }
  readonly [key: string]: unknown
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g

/** A log line for eyes: time, level, message, what went wrong, the rest as key=value. */
export function toText(json: string): string {
  const {
    level,
    time,
    msg,
    err,
    pid: _pid,
    hostname: _hostname,
    ...rest
  } = JSON.parse(json) as Line
  const clock = new Date(time).toTimeString().slice(0, 8)
  const facts = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  )
  const text = [clock, LEVELS[level] ?? String(level), msg ?? '', err?.message ?? '', ...facts]
    .filter((each) => each !== '')
    .join('  ')
  return `${text.replaceAll(CONTROL, ' ')}\n`
}

/** One for all loggers of the process. */
let lines: ReturnType<typeof createOutput> | undefined

/**
 * The log goes to stderr: JSON lines, every request among them. On a terminal it is text, and only
 * what needs attention, so that the start-up text stays readable.
 */
export function openLog(level: LogLevel, name: string): FastifyBaseLogger {
  const isTerminal = process.stderr.isTTY === true
  const chosen = level === 'auto' ? (isTerminal ? 'warn' : 'info') : level
  if (!isTerminal) lines ??= createOutput(process.stderr.fd)
  const output = lines ?? { write: (line: string) => void process.stderr.write(toText(line)) }
  return createLogger({ level: chosen, name }, output)
}
