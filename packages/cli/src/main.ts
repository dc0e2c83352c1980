import { createRequire } from 'node:module'
import { ConfigError } from '@tank/service/config-error'
import {
  type Command,
  CommandError,
  commandHelp,
  EXIT,
  parseCommand,
  type Streams,
  UsageError
} from './command-line.ts'
import { COMMANDS, FAMILIES } from './command-table.ts'
import { explain } from './explain.ts'
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

async function help(words: readonly string[]): Promise<string> {
  const [first] = words
  if (first === undefined) return overview()
  if (words.length === 1 && Object.hasOwn(FAMILIES, first)) return familyHelp(first)
  const { name, summary, command } = await commandOf(words)
  return commandHelp(name, summary, command)
}

type Output = Required<MainOptions>

const isHelp = (word: string | undefined) => word === '--help' || word === '-h'

async function dispatch(args: readonly string[], output: Output): Promise<number> {
  const [first = 'help', second] = args
  if (['version', '--version', '-v'].includes(first)) {
    output.print(version())
    return EXIT.done
  }
  const isFamily = Object.hasOwn(FAMILIES, first) && (second === undefined || isHelp(second))
  if (first === 'help' || isHelp(first) || isFamily) {
    output.print(await help(isFamily ? [first] : args.slice(1)))
    return EXIT.done
  }
  const { name, summary, command, rest } = await commandOf(args)
  const { values, words } = parseCommand(name, command, rest)
  if (values.help === true) {
    output.print(commandHelp(name, summary, command))
    return EXIT.done
  }
  return await command.run({ values, words, ...output })
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

/**
 * The program `tank`. Returns its exit code: 0, 1 for a failure, 2 for a mistake in the command line
 * or the configuration; `tank help` has all.
 */
export async function main(args: readonly string[], options: MainOptions = {}): Promise<number> {
  const { streams = PROCESS } = options
  const output: Output = {
    env: options.env ?? process.env,
    print: options.print ?? ((text: string) => void streams.stdout.write(text)),
    printError: options.printError ?? ((text: string) => void streams.stderr.write(text)),
    streams
  }
  try {
    return await dispatch(args, output)
  } catch (error) {
    return fail(error, output)
  }
}
