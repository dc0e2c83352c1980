import { readFileSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { randomName } from './new-file.ts'
import type { Span } from './request.ts'

/** Tells which bytes a partial file holds, by what is the same wherever they come from. */
export interface Identity {
  readonly size: number
  readonly algorithm: string
  readonly digest: string
}

/** What stands beside a partial file. */
export interface State {
  readonly identity: Identity
  /** Who wrote it last. */
  readonly owner: Owner
  /** In order, and none touches the next. */
  readonly done: readonly Span[]
}

interface Owner {
  readonly host: string
  readonly pid: number
  /** When that process began, where the system tells. */
  readonly start?: string | undefined
}

/** This process as the owner of what it writes. */
export function currentOwner(): Owner {
  own ??= { host: hostname(), pid: process.pid, start: startOf(process.pid) }
  return own
}

let own: Owner | undefined

/** What tells a process from earlier ones that had its id. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    const facts = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the second fact is a name in parentheses, which may hold anything; the start is the 22nd
    return `${boot} ${facts.slice(facts.lastIndexOf(')')).split(' ')[20]}`
  } catch {
    return undefined
  }
}

/** A state as it was found. */
export interface FoundState extends State {
  readonly text: string
  /** ms since 1970 */
  readonly writtenAt: number
}

/** Another host's download has stopped when it noted nothing for so long; parts are small. */
const FRESH_MS = 10 * 60_000

/** What a file says that was made and never written to. */
const NOBODYS: State = {
  identity: { size: 0, algorithm: '', digest: '' },
  owner: { host: '', pid: 1 },
  done: []
}

/** Undefined when there is none, or none of ours. */
export async function readState(path: string): Promise<FoundState | undefined> {
  try {
    const handle = await open(path)
    try {
      const text = await handle.readFile('utf8')
      const parsed: unknown = text === '' ? NOBODYS : JSON.parse(text)
      if (!isState(parsed)) return undefined
      return { ...parsed, text, writtenAt: (await handle.stat()).mtimeMs }
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}

/** False when there is one already. */
export async function lockState(path: string, state: State): Promise<boolean> {
  const handle = await open(path, 'wx').catch((error: unknown) => {
    if (isTaken(error)) return undefined
    throw error
  })
  if (handle === undefined) return false
  try {
    await handle.writeFile(JSON.stringify(state))
    return true
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await handle.close()
  }
}

/** Puts another state in the place of that of a download that has ended, as `lockState` does. */
export async function takeOver(path: string, found: FoundState, state: State): Promise<boolean> {
  const aside = randomName(path, 'old')
  try {
    await rename(path, aside)
  } catch {
    return false
  }
  // two may have found the same, and the other one's new state may be what was moved
  if ((await readFile(aside, 'utf8')) !== found.text) {
    await rename(aside, path)
    return false
  }
  try {
    const isOurs = await lockState(path, state)
    await rm(aside, { force: true })
    return isOurs
  } catch (error) {
    // on a full disk what an earlier download left stays as it was
    await rename(aside, path)
    throw error
  }
}

/** True while another process has the file, as far as can be told. */
export function isRunning({ owner, writtenAt }: FoundState): boolean {
  if (owner.host !== hostname()) return Date.now() - writtenAt < FRESH_MS
  if (owner.pid === process.pid) return false
  if (owner.start !== undefined && owner.start !== startOf(owner.pid)) return false
  try {
    process.kill(owner.pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

export function isSame(a: Identity, b: Identity): boolean {
  return a.size === b.size && a.algorithm === b.algorithm && a.digest === b.digest
}

/** The name is taken. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

function isState(value: unknown): value is State {
  const state = value as Partial<State> | null
  return (
    typeof state?.identity === 'object' &&
    state.identity !== null &&
    typeof state.owner === 'object' &&
    typeof state.owner?.host === 'string' &&
    Number.isSafeInteger(state.owner.pid) &&
    state.owner.pid > 0 &&
    Array.isArray(state.done) &&
    state.done.every(isSpan) &&
    state.done.every(({ from }, at, all) => at === 0 || from > Number(all[at - 1]?.to))
  )
}

function isSpan(value: unknown): value is Span {
  const span = value as Partial<Span> | null
  const { from, to } = span ?? {}
  return (
    Number.isSafeInteger(from) &&
    Number.isSafeInteger(to) &&
    0 <= Number(from) &&
    Number(from) < Number(to)
  )
}
