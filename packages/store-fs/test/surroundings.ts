import { execFile, execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export const MiB = 1024 * 1024

/** Names of all files below a directory. */
export async function files(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(() => [])
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
}

export function body(size: number, fill = 0x41): Readable {
  let left = size
  return new Readable({
    read() {
      const chunk = Buffer.alloc(Math.min(left, 65_536), fill)
      left -= chunk.length
      this.push(chunk.length === 0 ? null : chunk)
    }
  })
}

/** Descriptors of this process that lead below a directory. */
export async function descriptors(root: string): Promise<number> {
  const fds = await readdir('/proc/self/fd')
  const links = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return links.filter((link) => link.startsWith(root)).length
}

function quietly(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: 'ignore' })
}

/** Why a tracer cannot be used here, if so. */
export function noTracer(): string | undefined {
  try {
    quietly('strace', ['-f', '--seccomp-bpf', '-e', 'trace=link', '-o', '/dev/null', 'true'])
    return undefined
  } catch {
    return 'strace is not installed or may not trace'
  }
}

const tracer = 'strace'
const program = fileURLToPath(new URL('./put-once.js', import.meta.url))

export interface Traced {
  /** What became of the put; empty when the process was killed. */
  readonly end: string
  readonly calls: readonly string[]
}

/** Puts once in a process of its own, whose system calls are changed as strace's `inject` says. */
export async function tracedPut(
  root: string,
  key: string,
  size: number,
  inject?: string
): Promise<Traced> {
  const dir = await mkdtemp(join(tmpdir(), 'tank-trace-'))
  const log = join(dir, 'calls')
  const calls = '/^(pwritev?2?|pwrite64|fdatasync|fsync|fchmod|link|linkat|unlink|unlinkat|mkdir)$'
  const traced = inject === undefined ? calls : `/^${inject.slice(0, inject.indexOf(':'))}(at)?$`
  // With the filter, which makes it fast, strace sends no signal but at the first call.
  const filter = /signal=.*when=[^1]/.test(inject ?? '') ? [] : ['--seccomp-bpf']
  const args = ['-f', ...filter, '-qq', '-o', log, '-e', `trace=${traced}`]
  if (inject !== undefined) args.push('-e', `inject=${traced}${inject.slice(inject.indexOf(':'))}`)
  try {
    const end = await new Promise<string>((resolve) => {
      // strace counts the calls of each thread by itself, so there is to be one that makes them.
      // `env -i`: what the test runner adds to Node's options is of no use here and slow.
      const env = ['env', '-i', 'UV_USE_IO_URING=0', 'UV_THREADPOOL_SIZE=1']
      const command = [...args, ...env, process.execPath, program, root, key, String(size)]
      execFile(tracer, command, (_error, stdout) => resolve(stdout))
    })
    const text = await readFile(log, 'utf8')
    return { end, calls: text.split('\n').map((line) => /\b([a-z_0-9]+)\(/.exec(line)?.[1] ?? '') }
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** Why no file system can be mounted here, if so. */
export async function noMount(): Promise<string | undefined> {
  try {
    await (await smallFileSystem(65_536)).remove()
    return undefined
  } catch {
    return 'only root can mount a small file system, and only on Linux'
  }
}

/** A small file system of its own. */
export async function smallFileSystem(
  bytes: number,
  extra = ''
): Promise<{ path: string; remove(): Promise<void> }> {
  const path = join(tmpdir(), `tank-small-${randomUUID()}`)
  await mkdir(path)
  try {
    const options = `size=${bytes}${extra}`
    quietly('mount', ['-t', 'tmpfs', '-o', options, 'tank', path])
  } catch (error) {
    await rm(path, { recursive: true })
    throw error
  }
  return {
    path,
    async remove() {
      quietly('umount', [path])
      await rm(path, { recursive: true })
    }
  }
}
