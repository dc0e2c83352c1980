import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { startOf } from './embedded-postgres/processes.ts'

/** A data directory that this process alone uses. */
export interface DataDir {
  readonly path: string
  /** `<host>/<instance>`: stays the same for the life of the directory. */
  readonly instance: string
  release(): Promise<void>
}

interface Lock {
  readonly pid: number
  readonly start: string
  readonly host: string
}

const LOCK = 'tank.lock'
/** The file that only a directory has in which a Tank was. */
export const INSTANCE = 'instance'
const TOUCH_MS = 5000
const STALE_MS = 20_000

async function readLock(path: string): Promise<Lock | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Lock
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return { pid: 0, start: '', host: hostname() }
  }
}

/** Whether whoever holds a lock still lives. On another machine (or container) its touches tell. */
async function isHeld(path: string, lock: Lock): Promise<boolean> {
  if (lock.host === hostname()) return lock.pid > 0 && startOf(lock.pid) === lock.start
  const { mtimeMs } = await stat(path)
  return Date.now() - mtimeMs < STALE_MS
}

function isSame(a: Lock | undefined, b: Lock): boolean {
  return a?.pid === b.pid && a.start === b.start && a.host === b.host
}

/** Takes the lock of a dead process away; of several that try, one wins. */
async function removeStale(path: string, stale: Lock): Promise<void> {
  const aside = `${path}.${process.pid}.stale`
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  // in the meantime another process may have locked: give that lock back
  if (!isSame(await readLock(aside), stale)) await link(aside, path).catch(() => {})
  await unlink(aside)
}

function refusal(dataDir: string, lock: Lock): Error {
  const where = lock.host === hostname() ? `process ${lock.pid}` : `a process on ${lock.host}`
  return new Error(
    `the data directory ${dataDir} is in use by another tank (${where}). ` +
      'Stop that one, or choose another directory with --data-dir.'
  )
}

async function lockFolder(dataDir: string, waitMs: number): Promise<() => Promise<void>> {
  const path = join(dataDir, LOCK)
  const own: Lock = {
    pid: process.pid,
    start: startOf(process.pid) ?? '',
    host: hostname()
  }
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(own)}\n`, { mode: 0o644 })
  const deadline = Date.now() + waitMs
  try {
    for (;;) {
      try {
        await link(draft, path)
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const found = await readLock(path)
      if (found === undefined) continue
      if (await isHeld(path, found).catch(() => false)) {
        // only a lock of another machine can become stale by waiting
        if (found.host === hostname() || Date.now() > deadline) throw refusal(dataDir, found)
        await new Promise((resolve) => setTimeout(resolve, 500))
      } else await removeStale(path, found)
    }
  } finally {
    await unlink(draft).catch(() => {})
  }
  const touch = setInterval(() => {
    const now = new Date()
    void utimes(path, now, now).catch(() => {})
  }, TOUCH_MS).unref()
  return async () => {
    clearInterval(touch)
    if (isSame(await readLock(path), own)) await unlink(path).catch(() => {})
  }
}

async function instanceOf(dataDir: string): Promise<string> {
  const path = join(dataDir, INSTANCE)
  const found = await readFile(path, 'utf8').catch(() => '')
  if (found.trim() !== '') return found.trim()
  const made = `${hostname()}/${randomBytes(6).toString('hex')}`
  await writeFile(`${path}.new`, `${made}\n`)
  await rename(`${path}.new`, path)
  return made
}

/** Makes a data directory or takes an existing one; refuses one that another process uses. */
export async function openDataDir(path: string, waitMs = STALE_MS + 5000): Promise<DataDir> {
  await mkdir(path, { recursive: true, mode: 0o755 })
  const release = await lockFolder(path, waitMs)
  try {
    return { path, instance: await instanceOf(path), release }
  } catch (error) {
    await release()
    throw error
  }
}
