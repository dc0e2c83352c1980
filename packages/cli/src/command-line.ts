import type { Readable } from 'node:stream'
import { type ParseArgsConfig, parseArgs } from 'node:util'

export interface Flag {
  readonly type: 'string' | 'boolean'
  /** One letter. */
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: boolean
  /** What stands behind the flag in the help. */
  readonly value?: string
  /** The values that it takes, for the completion of shells. */
  readonly choices?: readonly string[]
  readonly help: string
}

export interface Command {
  /** Further sentences of the help. */
  readonly details?: string
  readonly flags: Readonly<Record<string, Flag>>
  /** Words that have to follow, such as `migrate|status`. */
  readonly words?: string
  /** Whole command lines. */
  readonly examples?: readonly string[]
  run(call: CommandCall): Promise<number>
}

/** Where the program writes to; a terminal if it says so. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly writableEnded?: boolean
}

/** Where the program reads from. */
type InputStream = Readable & {
  readonly isTTY?: boolean
  setRawMode?(isRaw: boolean): unknown
}

/** The three streams of a program. */
export interface Streams {
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
}

type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export interface CommandCall {
  readonly values: FlagValues
  readonly words: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly streams: Streams
  /** To standard output. */
  print(text: string): void
  /** To standard error: what is not the result. */
  printError(text: string): void
}

/** A mistake in the command line itself. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What the program ends with. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  unsafe: 6,
  undecided: 7,
  interrupted: 130
} as const

/** A failure whose kind a script can tell by the exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
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
  help: { type: 'boolean', short: 'h', help: 'show this help' }
} as const satisfies Record<string, Flag>

function flagRows(flags: Readonly<Record<string, Flag>>): string[][] {
  return Object.entries(flags).map(([name, { short, value, help }]) => [
    `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    help
  ])
}

/** Names and what they mean, in two columns. */
export function twoColumns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([left = '']) => left.length))
  return rows.map(([left = '', right = '']) => `  ${left.padEnd(width)}  ${right}`.trimEnd())
}

/** The help of one command. */
export function commandHelp(name: string, summary: string, command: Command): string {
  const words = command.words === undefined ? '' : ` ${command.words}`
  const { details, examples = [] } = command
  return [
    `tank ${name}${words} [flags]`,
    '',
    summary,
    ...(details === undefined ? [] : ['', details]),
    ...(examples.length === 0 ? [] : ['', ...examples.map((each) => `  ${each}`)]),
    '',
    ...twoColumns(flagRows({ ...command.flags, help: FLAGS.help })),
    ''
  ].join('\n')
}

function optionsOf(flags: Readonly<Record<string, Flag>>): ParseArgsConfig['options'] {
  return Object.fromEntries(
    Object.entries(flags).map(([name, { type, short, multiple = false }]) => [
      name,
      { type, multiple, ...(short === undefined ? {} : { short }) }
    ])
  )
}

/** Where the first word stands that is neither a flag nor the value of one; -1 without such. */
export function firstWordAt(args: readonly string[], flags: Command['flags']): number {
  const { tokens } = parseArgs({
    args: [...args],
    options: optionsOf(flags),
    allowPositionals: true,
    strict: false,
    tokens: true
  })
  return tokens.find(({ kind }) => kind === 'positional')?.index ?? -1
}

/** Reads the flags of a command; throws a `UsageError` for what it does not know. */
export function parseCommand(
  name: string,
  command: Command,
  args: readonly string[]
): Pick<CommandCall, 'values' | 'words'> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: optionsOf({ ...command.flags, help: FLAGS.help }),
      allowPositionals: command.words !== undefined,
      strict: true
    })
    return { values: values as FlagValues, words: positionals }
  } catch (error) {
    const message = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new UsageError(`${message}. See tank ${name} --help.`)
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
