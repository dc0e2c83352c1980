import { createRequire } from 'node:module'
import { ConfigError } from '@tank/service/config-error'
import {
  type Command,
  type CommandCall,
  CommandError,
  commandHelp,
  EXIT,
  firstWordAt,
  parseCommand,
  type Streams,
  UsageError
} from './command-line.ts'
import { COMMANDS, FAMILIES, SECTIONS } from './command-table.ts'
import { explain } from './explain.ts'
import { printableLines, printableQuoted } from './output/printable.ts'
import { openResult } from './output/result.ts'
import { familyHelp, overview, unknownCommand } from './overview.ts'

/** What a call of the program touches, so that tests can look at it. */
export interface MainOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly print?: (text: string) => void
  readonly printError?: (text: string) => void
  readonly streams?: Streams
}

function version(): string {
  const { version } = createRequire(import.meta.url)('@tank/cli/package.json')
  return `tank ${version}, Node ${process.version}\n`
}

interface Named {
  readonly name: string
  readonly summary: string
  readonly command: Command
  /** What follows its name. */
  readonly rest: readonly string[]
}

/** The command that the words begin with; of two names the longer one. */
async function commandOf(words: readonly string[]): Promise<Named> {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ')
    const entry = words.length < length ? undefined : COMMANDS.get(name)
    if (entry !== undefined) {
      const { summary } = entry
      return { name, summary, command: await entry.load(), rest: words.slice(length) }
    }
  }
  throw unknownCommand(words)
}

/** Puts the name of a command first whose flags may stand before it. */
async function nameFirst(args: readonly string[]): Promise<readonly string[]> {
  if (args[0]?.startsWith('-') !== true) return args
  const names = new Map(
    SECTIONS.filter(({ flagsFirst }) => flagsFirst).flatMap(({ commands }) =>
      Object.entries(commands)
    )
  )
  const commands = await Promise.all([...names.values()].map((entry) => entry.load()))
  const at = firstWordAt(args, Object.assign({}, ...commands.map(({ flags }) => flags)))
  const name = args[at]
  if (name === undefined || !names.has(name)) return args
  return [name, ...args.slice(0, at), ...args.slice(at + 1)]
}

async function help(words: readonly string[]): Promise<string> {
  const [first] = words
  if (first === undefined) return overview()
  if (words.length === 1 && Object.hasOwn(FAMILIES, first)) return familyHelp(first)
  const { name, summary, command } = await commandOf(words)
  return commandHelp(name, summary, command)
}

type Output = Required<MainOptions>

const isHelp = (word: string | undefined) => word === '--help' || word === '-h'

/**
 * S-46: what a command prints may come from a service, from whoever named an image: it steers no
 * terminal. JSON and YAML keep their content.
 */
function safely(
  { print, ...output }: Output,
  { flags }: Command,
  values: CommandCall['values']
): Output {
  const form = flags.output?.choices?.find((choice) => choice === values.output)
  const isQuoted = values.json === true || form === 'json' || form === 'yaml'
  const clean = isQuoted ? printableQuoted : printableLines
  return { ...output, print: (text) => print(clean(text)) }
}

async function dispatch(args: readonly string[], output: Output): Promise<number> {
  const [first = 'help', second] = args
  if (['version', '--version'].includes(first) || (first === '-v' && second === undefined)) {
    output.print(version())
    return EXIT.done
  }
  const isFamily = Object.hasOwn(FAMILIES, first) && (second === undefined || isHelp(second))
  if (first === 'help' || isHelp(first) || isFamily) {
    output.print(await help(isFamily ? [first] : args.slice(1)))
    return EXIT.done
  }
  const { name, summary, command, rest } = await commandOf(await nameFirst(args))
  const { values, words } = parseCommand(name, command, rest)
  if (values.help === true) {
    output.print(commandHelp(name, summary, command))
    return EXIT.done
  }
  return await command.run({ values, words, ...safely(output, command, values) })
}

/** Returns the exit code that a failure stands for, and tells it. */
function fail(error: unknown, { printError }: Output): number {
  if (error instanceof ConfigError) {
    printError(`${error.message}\n`)
    return EXIT.usage
  }
  printError(`tank: ${explain(error)}\n`)
  if (error instanceof UsageError) return EXIT.usage
  return error instanceof CommandError ? error.exitCode : EXIT.failed
}

// asked for when needed: looking at the standard input opens it
const PROCESS: Streams = {
  get stdin() {
    return process.stdin
  },
  get stdout() {
    return process.stdout
  },
  get stderr() {
    return process.stderr
  }
}

// what cannot be told need not end a transfer; of standard output it is told in the end
const ignore = () => {}

/**
 * The program `tank`. Returns its exit code: 0, 1 for a failure, 2 for a mistake in the command line
 * or the configuration; `tank help` has all.
 */
export async function main(args: readonly string[], options: MainOptions = {}): Promise<number> {
  const { streams = PROCESS } = options
  const { printError = (text: string) => void streams.stderr.write(text) } = options
  for (const stream of [streams.stdout, streams.stderr]) {
    stream.off('error', ignore).on('error', ignore)
  }
  const result = openResult(streams.stdout)
  const output: Output = {
    env: options.env ?? process.env,
    print: options.print ?? result.print,
    printError: (text) => printError(printableLines(text)),
    streams
  }
  try {
    const code = await dispatch(args, output)
    await result.written()
    return code
  } catch (error) {
    return fail(error, output)
  }
}
