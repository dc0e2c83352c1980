/** One service for many cases, with tokens of two projects and of an administrator. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { main } from '../src/index.ts'
import { folder, type Program, run, stop } from './programs.ts'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
  /** What went to standard output. */
  readonly bytes: Buffer
}

/** What somebody types when a prompt ends with this. */
export type Answers = readonly (readonly [prompt: string, typed: string])[]

interface CallOptions {
  /** Makes standard input and standard error a terminal. */
  readonly answers?: Answers
  readonly env?: Readonly<Record<string, string>>
  /** What standard input has. */
  readonly input?: Buffer | readonly Buffer[]
}

/** A place of one's own for what the command notes. */
const home = mkdtempSync(join(tmpdir(), 'tank-home-'))
t.teardown(() => rmSync(home, { recursive: true, force: true }))

function collect() {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  return { stream, bytes: () => Buffer.concat(chunks) }
}

/** A terminal at which somebody answers each prompt once. */
function terminal(stderr: PassThrough, answers: Answers) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  const left = [...answers]
  let shown = ''
  stderr.on('data', (chunk) => {
    shown += stripVTControlCharacters(String(chunk))
    const [prompt, typed] = left[0] ?? []
    if (prompt === undefined || !shown.endsWith(prompt)) return
    left.shift()
    shown = ''
    stdin.write(`${typed}\r`)
  })
  return stdin
}

/** Runs the program inside this process. */
export async function tank(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
  const { env = {}, input = [], answers } = options
  const [stdout, stderr] = [collect(), collect()]
  const chunks = Buffer.isBuffer(input) ? [input] : input
  const code = await main(args, {
    env: { HOME: home, ...env },
    streams: {
      stdin: answers
        ? terminal(stderr.stream, answers)
        : Readable.from(chunks, { objectMode: false }),
      stdout: stdout.stream,
      stderr: Object.assign(stderr.stream, answers && { isTTY: true })
    }
  })
  const bytes = stdout.bytes()
  return { code, out: bytes.toString(), err: stderr.bytes().toString(), bytes }
}

export interface Service {
  readonly url: string
  readonly dataDir: string
  readonly program: Program
  /** What leads a command to the service, as the owner of a token. */
  env(who: 'A' | 'B' | 'admin'): Record<string, string>
}

/** Starts a service whose callers need tokens; it has the configuration, where one is given. */
export async function startService(configuration?: object): Promise<Service> {
  const dataDir = folder(t)
  const settings: Record<string, string> = {}
  if (configuration !== undefined) {
    settings.TANK_CONFIG = join(dataDir, 'tank.json')
    writeFileSync(settings.TANK_CONFIG, JSON.stringify(configuration))
  }
  const env = { TANK_API__IDENTITY__MODE: 'tokens', TANK_LOG_LEVEL: 'silent', ...settings }
  const program = await run('tank', ['serve', '--port', '0', '--data-dir', dataDir], { env })
  t.teardown(() => stop(program))
  const make = async (name: string, role: string) => {
    const flags = ['--name', name, '--project', name, '--role', role, '--data-dir', dataDir]
    const { code, out, err } = await tank(['token', 'create', ...flags], { env })
    if (code !== 0) throw new Error(err)
    return out.trim()
  }
  const tokens = {
    A: await make('A', 'member'),
    B: await make('B', 'member'),
    admin: await make('ops', 'admin')
  }
  const { url } = program
  return {
    url,
    dataDir,
    program,
    env: (who) => ({ HOME: home, TANK_URL: url, TANK_TOKEN: tokens[who] })
  }
}
