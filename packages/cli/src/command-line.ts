import { type ParseArgsConfig, parseArgs } from 'node:util'

export interface Flag {
  readonly type: 'string' | 'boolean'
  /** May be given several times. */
  readonly multiple?: boolean
  /** What stands behind the flag in the help. */
  readonly value?: string
  readonly help: string
}

export interface Command {
  readonly name: string
  readonly summary: string
  /** Further sentences of the help. */
  readonly details?: string
  readonly flags: Readonly<Record<string, Flag>>
  /** Words that have to follow, such as `migrate|status`. */
  readonly words?: string
  run(call: CommandCall): Promise<number>
}

type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export interface CommandCall {
  readonly values: FlagValues
  readonly words: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** To standard output. */
  print(text: string): void
  /** To standard error: what is not the result. */
  printError(text: string): void
}

/** A mistake in the command line itself. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const FLAGS = {
  config: { type: 'string', value: 'FILE', help: 'YAML or JSON file (TANK_CONFIG)' },
  'data-dir': {
    type: 'string',
    value: 'DIR',
    help: 'where database and images lie (TANK_DATA_DIR; ./tank-data)'
  },
  host: { type: 'string', value: 'ADDRESS', help: 'address to listen on' },
  port: { type: 'string', value: 'PORT', help: 'port to listen on' },
  workers: { type: 'string', value: 'N', help: 'processes that serve requests (1)' },
  'log-level': {
    type: 'string',
    value: 'LEVEL',
    help: 'debug, info, warn, error or silent (TANK_LOG_LEVEL)'
  },
  help: { type: 'boolean', help: 'show this help' }
} as const satisfies Record<string, Flag>

/** The help of one command. */
export function commandHelp(command: Command): string {
  const all: Readonly<Record<string, Flag>> = { ...command.flags, help: FLAGS.help }
  const flags = Object.entries(all).map(([name, flag]) => [
    `--${name}${flag.value === undefined ? '' : ` ${flag.value}`}`,
    flag.help
  ])
  const width = Math.max(...flags.map(([left = '']) => left.length))
  const words = command.words === undefined ? '' : ` ${command.words}`
  return [
    `tank ${command.name}${words} [flags]`,
    '',
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    ...flags.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`),
    ''
  ].join('\n')
}

/** Reads the flags of a command; throws a `UsageError` for what it does not know. */
export function parseCommand(
  command: Command,
  args: readonly string[]
): Pick<CommandCall, 'values' | 'words'> {
  const options: ParseArgsConfig['options'] = { help: { type: 'boolean', short: 'h' } }
  for (const [name, { type, multiple = false }] of Object.entries(command.flags)) {
    options[name] = { type, multiple }
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: command.words !== undefined,
      strict: true
    })
    return { values: values as FlagValues, words: positionals }
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause)
    throw new UsageError(`${message}. See tank ${command.name} --help.`, { cause })
  }
}

/** A flag whose value is text. */
export function text(call: CommandCall, name: string): string | undefined {
  const value = call.values[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Every value of a flag that may be given several times. */
export function texts(call: CommandCall, name: string): readonly string[] {
  const value = call.values[name]
  return Array.isArray(value) ? value : []
}

/** A flag whose value is a whole number. */
export function integer(call: CommandCall, name: string): number | undefined {
  const value = text(call, name)
  if (value === undefined) return undefined
  if (!/^\d{1,9}$/.test(value)) throw new UsageError(`--${name} needs a number, not "${value}".`)
  return Number(value)
}
