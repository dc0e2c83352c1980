import { constants } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { type NewFile, openNewFile, toNewFile } from './new-file.ts'
import type { Span } from './request.ts'

/** Tells which bytes a partial file holds, by what is the same wherever they come from. */
export interface Identity {
  readonly size: number
  readonly algorithm: string
  readonly digest: string
}

/** Bytes of an image that have come so far, in a file beside the one that they are for. */
export interface PartialFile extends NewFile {
  /** Bytes that were there when it was opened. */
  readonly resumed: number
  /** What is still to come, in pieces of at most `size` bytes. */
  missing(size: number): Span[]
  /** Notes that these bytes are in the file. */
  add(span: Span): Promise<void>
  /** Leaves what is there to the next download, where there can be one. */
  keep(): Promise<void>
}

/** Paths that a download of this process is writing. */
const busy = new Set<string>()

/**
 * Opens what an earlier download left of the same bytes, or an empty file. A file that another
 * process of this host is writing is left alone: then, and without `resume`, the file gets a name
 * that nobody finds again.
 */
export async function openPartialFile(
  file: string,
  identity: Identity,
  resume: boolean
): Promise<PartialFile> {
  const path = resolve(`${file}.part`)
  const state = `${path}.json`
  const found = resume ? await readState(state) : undefined
  if (!resume || busy.has(path) || isRunning(found?.owner)) {
    return new SpanFile(await openNewFile(file), undefined, identity, [])
  }
  busy.add(path)
  try {
    const same = found !== undefined && isSame(found.identity, identity) ? found.done : []
    const old = same.length === 0 ? undefined : await openOld(path, same, identity.size)
    if (old === undefined) await Promise.all([path, state].map((each) => rm(each, { force: true })))
    const target = toNewFile(file, path, old ?? (await open(path, 'wx')))
    const partial = new SpanFile(target, state, identity, old ? same : [])
    await partial.save()
    return partial
  } catch (error) {
    busy.delete(path)
    throw error
  }
}

/** Undefined when the file is not what its state says. */
async function openOld(
  path: string,
  done: readonly Span[],
  size: number
): Promise<FileHandle | undefined> {
  const end = done.at(-1)?.to ?? 0
  const flags = constants.O_RDWR | constants.O_NOFOLLOW
  const handle = await open(path, flags).catch(() => undefined)
  const facts = await handle?.stat()
  if (facts?.isFile() && end <= facts.size && end <= size) return handle
  await handle?.close()
  return undefined
}

class SpanFile implements PartialFile {
  readonly path: string
  readonly handle: FileHandle
  readonly resumed: number
  readonly #target: NewFile
  /** Path of the state; without one nothing can be resumed. */
  readonly #state: string | undefined
  readonly #identity: Identity
  #done: readonly Span[]
  #saving: Promise<void> = Promise.resolve()

  constructor(
    target: NewFile,
    state: string | undefined,
    identity: Identity,
    done: readonly Span[]
  ) {
    this.#target = target
    this.path = target.path
    this.handle = target.handle
    this.#state = state
    this.#identity = identity
    this.#done = done
    this.resumed = done.reduce((sum, { from, to }) => sum + to - from, 0)
  }

  missing(size: number): Span[] {
    const spans: Span[] = []
    let from = 0
    for (const span of [...this.#done, { from: this.#identity.size, to: Number.NaN }]) {
      for (; from < span.from; from = Math.min(from + size, span.from)) {
        spans.push({ from, to: Math.min(from + size, span.from) })
      }
      from = span.to
    }
    return spans
  }

  add(span: Span): Promise<void> {
    this.#done = merge([...this.#done, span])
    return this.save()
  }

  /** One write after the other, each of what is known when its turn comes. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write())
    return this.#saving
  }

  async publish(): Promise<void> {
    await this.#saving
    await this.#target.publish()
    if (this.#state !== undefined) await rm(this.#state, { force: true })
    busy.delete(this.path)
  }

  async close(): Promise<void> {
    await this.#saving.catch(() => undefined)
    await this.#target.close()
    busy.delete(this.path)
  }

  keep(): Promise<void> {
    return this.#state === undefined ? this.discard() : this.close()
  }

  async discard(): Promise<void> {
    await this.#saving.catch(() => undefined)
    await this.#target.discard()
    if (this.#state !== undefined) await rm(this.#state, { force: true })
    busy.delete(this.path)
  }

  async #write(): Promise<void> {
    if (this.#state === undefined) return
    const owner = { host: hostname(), pid: process.pid }
    const state: State = { identity: this.#identity, owner, done: this.#done }
    const fresh = `${this.#state}.new`
    await writeFile(fresh, JSON.stringify(state))
    await rename(fresh, this.#state)
  }
}

function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || span.from > last.to) merged.push(span)
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, span.to) }
  }
  return merged
}

interface Owner {
  readonly host: string
  readonly pid: number
}

interface State {
  readonly identity: Identity
  /** Who wrote it last. */
  readonly owner: Owner
  /** In order, and none touches the next. */
  readonly done: readonly Span[]
}

async function readState(path: string): Promise<State | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isState(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function isState(value: unknown): value is State {
  const state = value as Partial<State> | null
  return (
    typeof state?.identity === 'object' &&
    typeof state.owner === 'object' &&
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

function isSame(a: Identity, b: Identity): boolean {
  return a.size === b.size && a.algorithm === b.algorithm && a.digest === b.digest
}

/** True while another process of this host has the file. */
function isRunning(owner: Owner | undefined): boolean {
  if (owner?.host !== hostname() || owner.pid === process.pid) return false
  try {
    process.kill(owner.pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
