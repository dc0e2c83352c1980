import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync
} from 'node:fs'
import { realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { identityOf } from './account.ts'
import { PROGRAM_ENV } from './initialise.ts'
import type { Places } from './places.ts'
import { factsOf, waitForEnd } from './processes.ts'

interface PidFile {
  readonly pid: number
  readonly folder: string
  /** Seconds since 1970. */
  readonly startedAt: number
  readonly status: string
}

const MAX_LOG_BYTES = 10 * 1024 * 1024
const CLOCK_TOLERANCE = 120

function readPidFile(data: string): PidFile | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    const [pid, startedAt] = [Number(lines[0]), Number(lines[2])]
    if (!(Number.isInteger(pid) && pid > 0)) return undefined
    return { pid, startedAt, folder: lines[1] ?? '', status: lines[7]?.trim() ?? '' }
  } catch {
    return undefined
  }
}

/** Whether the process that a pid file names is that server, and not a later one with its pid. */
function isRunning({ pid, startedAt }: PidFile): boolean {
  const facts = factsOf(pid)
  if (facts === undefined || !facts.program.startsWith('postgres')) return false
  return !(Math.abs(facts.startedAt - startedAt) > CLOCK_TOLERANCE)
}

/**
 * Stops the server that a killed parent left behind. Returns its pid when there was one. A pid file
 * that only looks alive, because its pid is in use again, would keep PostgreSQL from starting.
 */
export async function stopLeftOver(data: string): Promise<number | undefined> {
  const found = readPidFile(data)
  if (found === undefined) return undefined
  // of a copied folder, the file speaks about the server of the original
  const isOther = (await realpath(found.folder).catch(() => '')) !== (await realpath(data))
  if (isOther || !isRunning(found)) {
    await rm(join(data, 'postmaster.pid'), { force: true })
    return undefined
  }
  await stopServer(found.pid, 60_000)
  return found.pid
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Fast shutdown; when that takes too long, the one that leaves recovery to the next start. */
async function stopServer(pid: number, patienceMs: number): Promise<void> {
  signal(pid, 'SIGINT')
  if (await waitForEnd(pid, patienceMs)) return
  signal(pid, 'SIGQUIT')
  if (await waitForEnd(pid, 10_000)) return
  throw new Error(`PostgreSQL (pid ${pid}) does not stop`)
}

/**
 * Starts the server and waits beside it for the end of its input: that comes when our process is
 * gone, whatever ended it, and then stops the server in order.
 */
const WATCH = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -INT $server; } & watch=$!
exec 3<&-
wait $server; code=$?
kill $watch 2>/dev/null
exit $code`

export interface PostmasterOptions {
  readonly places: Places
  readonly socketFolder: string
  readonly logFile: string
  readonly durable: boolean
}

/** Opened as ourselves: the server's account may not be able to write there. */
function openLog(path: string): { readonly fd: number; readonly size: number } {
  if (existsSync(path) && statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`)
  const fd = openSync(path, 'a', 0o640)
  return { fd, size: fstatSync(fd).size }
}

function settings({ socketFolder, durable }: PostmasterOptions): string[] {
  const all = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    port: '5432',
    shared_buffers: '128MB',
    max_connections: '200',
    logging_collector: 'off',
    log_line_prefix: '%m [%p] ',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' })
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** A running PostgreSQL. */
export interface Postmaster {
  readonly pid: number
  /** Settles when the server is gone, wanted or not. */
  readonly ended: Promise<void>
  stop(): Promise<void>
  /** Ends at once; the next start recovers. */
  kill(): Promise<void>
}

function lastLines(path: string, from: number): string {
  const text = readFileSync(path, 'utf8').slice(from)
  return text.trim().split('\n').slice(-6).join('\n')
}

function spawnWatched(options: PostmasterOptions): {
  readonly child: ChildProcess
  readonly logSize: number
} {
  const { places } = options
  const log = openLog(options.logFile)
  const command = [join(places.binaries.folder, 'bin/postgres'), '-D', places.data]
  const child = spawn('/bin/sh', ['-c', WATCH, 'tank-postgres', ...command, ...settings(options)], {
    ...identityOf(places.account),
    cwd: places.data,
    env: PROGRAM_ENV,
    stdio: ['pipe', log.fd, log.fd],
    // a session of its own: Ctrl-C must not stop it before the API has drained
    detached: true
  })
  closeSync(log.fd)
  child.stdin?.on('error', () => {})
  return { child, logSize: log.size }
}

/** Starts PostgreSQL and waits until it takes connections. */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const { data } = options.places
  const before = readPidFile(data)
  const isNew = (file: PidFile | undefined) =>
    file !== undefined && (file.pid !== before?.pid || file.startedAt !== before.startedAt)
  const { child, logSize } = spawnWatched(options)
  let isGone = false
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => {
      isGone = true
      child.stdin?.destroy()
      resolve()
    })
  })
  let found = readPidFile(data)
  while (!isGone && !(found?.status === 'ready' && isNew(found))) {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 15))])
    found = readPidFile(data)
  }
  if (isGone || found === undefined) {
    throw new Error(`PostgreSQL did not start:\n${lastLines(options.logFile, logSize)}`)
  }
  const { pid } = found
  return {
    pid,
    ended,
    stop: async () => {
      if (!isGone) await stopServer(pid, 30_000)
      await ended
    },
    kill: async () => {
      if (!isGone) signal(pid, 'SIGQUIT')
      await ended
    }
  }
}
