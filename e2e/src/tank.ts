import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { request } from './http.ts'
import { family, signalAll } from './processes.ts'
import { until } from './wait.ts'

const cli = createRequire(import.meta.url).resolve('@tank/cli/package.json')
/** The `tank` command of this build. */
export const program = join(dirname(cli), 'dist/src/bin/tank.js')

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** A folder that the account of the embedded database may enter, removed after the test. */
export async function tempFolder(t: Test, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'tank-e2e-'))
  await chmod(folder, 0o755)
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** A running `tank` command. */
export class Tank {
  readonly url: string
  readonly name: string
  readonly #child: ChildProcess
  readonly #exit: Promise<number | null>
  readonly #mark: string | undefined
  readonly #ca: string | undefined
  #log = ''

  constructor(name: string, url: string, child: ChildProcess, { mark, ca }: StartOptions) {
    this.name = name
    this.url = url
    this.#child = child
    this.#mark = mark
    this.#ca = ca
    const keep = (chunk: Buffer) => {
      // what servers do every second would push out what matters
      const lines = `${chunk}`.split('\n').filter((line) => !/garbage\/claim|readyz/.test(line))
      this.#log = `${this.#log}${lines.join('\n')}`.slice(-20_000)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => {
        keep(Buffer.from(`${error}\n`))
        resolve(null)
      })
      child.on('close', (code) => resolve(code))
    })
  }

  get log(): string {
    return this.#log
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The command, its workers, its database. */
  get pids(): number[] {
    return family(this.#child.pid ?? -1, this.#mark)
  }

  signal(signal: NodeJS.Signals): void {
    signalAll(this.pids, signal)
  }

  /** Ends the whole family at once, as a power cut would. */
  async kill(): Promise<void> {
    // a process may be born while the list is read
    while (this.pids.length > 0) {
      signalAll(this.pids, 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await this.#exit
  }

  /** Asks for an orderly end; returns the exit code. */
  async stop(): Promise<number | null> {
    if (this.isRunning) this.#child.kill('SIGTERM')
    return await this.#exit
  }

  async waitUntilReady(ms = 60_000): Promise<void> {
    await until(`${this.name} is ready`, ms, async () => {
      if (!this.isRunning) return 'ended'
      const signal = AbortSignal.timeout(2000)
      const answer = await request(`${this.url}/readyz`, { signal, ca: this.#ca })
      return answer.status === 200 ? 'ready' : undefined
    })
      .then((state) => {
        if (state === 'ended') throw new Error(`${this.name} ended`)
      })
      .catch((error: unknown) => {
        throw new Error(`${this.name} did not start:\n${this.#log}`, { cause: error })
      })
  }
}

export interface StartOptions {
  readonly command: 'serve' | 'api' | 'registry'
  /** Sections `api` and `registry` of the configuration file. */
  readonly config?: object
  readonly args?: readonly string[]
  readonly port?: number
  readonly folder: string
  /** A text by which processes that left the family are known: the data folder. */
  readonly mark?: string
  readonly isReady?: boolean
  /** PEM of the authority behind its certificate: it serves over https. */
  readonly ca?: string
  readonly env?: NodeJS.ProcessEnv
}

function environment(): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(TANK_|TAP|NODE_OPTIONS)/.test(name)
  )
  return Object.fromEntries(clean)
}

/** Starts a `tank` command on loopback and waits until it is ready. It is killed after the test. */
export async function startTank(t: Test, options: StartOptions): Promise<Tank> {
  const { command, config = {}, args = [], folder, env = {} } = options
  const port = options.port ?? (await freePort())
  const file = join(folder, `${command}-${port}.json`)
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  const all = [program, command, '--config', file, '--host', '127.0.0.1', '--port', `${port}`]
  const child = spawn(process.execPath, [...all, ...args], {
    cwd: folder,
    env: { ...environment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const scheme = options.ca === undefined ? 'http' : 'https'
  const tank = new Tank(`tank ${command}`, `${scheme}://127.0.0.1:${port}`, child, options)
  t.teardown(async () => {
    tank.signal('SIGCONT')
    await tank.kill()
    if (!t.passing()) t.comment(`log of ${tank.name} ${tank.url}:\n${tank.log}`)
  })
  if (options.isReady !== false) await tank.waitUntilReady()
  return tank
}
