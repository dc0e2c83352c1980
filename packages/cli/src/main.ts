import { createRequire } from 'node:module'
import { ConfigError } from '@tank/service'
import { type Command, commandHelp, parseCommand, UsageError } from './command-line.ts'
import { explain } from './explain.ts'

/** Each is loaded when it is called: a server needs a good part of Tank, but none needs all of it. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).serve,
  api: async () => (await import('./commands/api.ts')).api,
  registry: async () => (await import('./commands/registry.ts')).registry,
  db: async () => (await import('./commands/db.ts')).db,
  store: async () => (await import('./commands/store.ts')).store,
  token: async () => (await import('./commands/token.ts')).token,
  'check-config': async () => (await import('./commands/check-config.ts')).checkConfig
}

/** What a call of the program touches, so that tests can look at it. */
export interface MainOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly print?: (text: string) => void
  readonly printError?: (text: string) => void
}

function version(): string {
  const { version } = createRequire(import.meta.url)('@tank/cli/package.json')
  return `tank ${version}, Node ${process.version}\n`
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()))
  const all = [
    ...commands.map(({ name, summary }) => [name, summary]),
    ['version', 'Shows the version.'],
    ['help [COMMAND]', 'Shows this, or the help of a command.']
  ]
  const width = Math.max(...all.map(([left = '']) => left.length))
  return [
    'Tank stores, describes and serves images of virtual machines.',
    '',
    'tank COMMAND [flags]',
    '',
    ...all.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`),
    '',
    'To begin: tank serve',
    ''
  ].join('\n')
}

async function commandNamed(name: string): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) throw new UsageError(`There is no command "${name}". See tank help.`)
  return await load()
}

type Output = Required<Pick<MainOptions, 'print' | 'printError'>>

async function dispatch(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { print, printError }: Output
): Promise<number> {
  const [name = 'help', ...rest] = args
  if (['version', '--version', '-v'].includes(name)) {
    print(version())
    return 0
  }
  if (['help', '--help', '-h'].includes(name)) {
    print(rest[0] === undefined ? await overview() : commandHelp(await commandNamed(rest[0])))
    return 0
  }
  const command = await commandNamed(name)
  const { values, words } = parseCommand(command, rest)
  if (values.help === true) {
    print(commandHelp(command))
    return 0
  }
  return await command.run({ values, words, env, print, printError })
}

/**
 * The program `tank`. Returns its exit code: 0, 1 for a failure, 2 for a mistake in the command line
 * or the configuration.
 */
export async function main(args: readonly string[], options: MainOptions = {}): Promise<number> {
  const {
    env = process.env,
    print = (text: string) => void process.stdout.write(text),
    printError = (text: string) => void process.stderr.write(text)
  } = options
  try {
    return await dispatch(args, env, { print, printError })
  } catch (error) {
    if (error instanceof ConfigError) {
      printError(`${error.message}\n`)
      return 2
    }
    printError(`tank: ${explain(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}
