import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type NewFile, openNewFile, randomName, toNewFile } from './new-file.ts'
import {
  currentOwner,
  type Identity,
  isRunning,
  isSame,
  isTaken,
  lockState,
  readState,
  type State,
  takeOver
} from './partial-state.ts'
import type { Span } from './request.ts'

export type { Identity } from './partial-state.ts'

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
 * process may be writing, or that no state names as ours, is left alone: then, and without `resume`,
 * the file gets a name that nobody finds again.
 */
export async function openPartialFile(
  file: string,
  identity: Identity,
  resume: boolean
): Promise<PartialFile> {
  const path = resolve(`${file}.part`)
  if (resume && !busy.has(path)) {
    busy.add(path)
    const partial = await openNamed(file, path, identity).catch((error: unknown) => {
      busy.delete(path)
      throw error
    })
    if (partial !== undefined) return partial
    busy.delete(path)
  }
  return new SpanFile(await openNewFile(file), undefined, identity, [])
}

/** Undefined when the name is somebody else's. */
async function openNamed(
  file: string,
  path: string,
  identity: Identity
): Promise<PartialFile | undefined> {
  const state = `${path}.json`
  const found = await readState(state)
  if (found !== undefined && isRunning(found)) return undefined
  // the state is the lock: whoever makes it may touch the file
  const kept = found !== undefined && isSame(found.identity, identity) ? found.done : []
  const next = stateOf(identity, kept)
  const isOurs =
    found === undefined ? await lockState(state, next) : await takeOver(state, found, next)
  if (!isOurs) return undefined
  try {
    const old = kept.length === 0 ? undefined : await openOld(path, kept, identity.size)
    // a state without a word does not say whose file that is
    if (old === undefined && found !== undefined && found.text !== '') {
      await rm(path, { force: true })
    }
    const handle = old ?? (await open(path, 'wx+'))
    const partial = new SpanFile(toNewFile(file, path, handle), state, identity, old ? kept : [])
    await partial.save().catch(async (error: unknown) => {
      await (old === undefined ? partial.discard() : partial.keep())
      throw error
    })
    return partial
  } catch (error) {
    // what an earlier download left is for the next one to take up
    if (isTaken(error) || kept.length === 0) await rm(state, { force: true })
    if (isTaken(error)) return undefined
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
    const fresh = randomName(this.#state, 'new')
    try {
      await writeFile(fresh, JSON.stringify(stateOf(this.#identity, this.#done)), { flag: 'wx' })
      await rename(fresh, this.#state)
    } catch (error) {
      await rm(fresh, { force: true })
      throw error
    }
  }
}

function stateOf(identity: Identity, done: readonly Span[]): State {
  return { identity, owner: currentOwner(), done }
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
