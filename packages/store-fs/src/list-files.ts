import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isKey, type StoredEntry } from '@tank/store'
import { errorCode } from './errors.ts'
import type { Layout } from './layout.ts'

const PARTIAL = '.partial'

interface Found {
  readonly key: string
  readonly path: string
  readonly isPartial: boolean
}

/** The name of a file of ours, as `Layout.place` makes it; undefined for a stranger's. */
function read(dir: string, name: string): { key: string; isPartial: boolean } | undefined {
  const isPartial = name.endsWith(PARTIAL)
  const key = isPartial ? name.slice(0, -PARTIAL.length) : name
  return isKey(key) && key.slice(0, 2) === dir ? { key, isPartial } : undefined
}

async function* filesOf(root: string, dir: string): AsyncGenerator<Found> {
  for await (const entry of await opendir(join(root, dir))) {
    const found = entry.isFile() ? read(dir, entry.name) : undefined
    if (found !== undefined) yield { ...found, path: join(root, dir, entry.name) }
  }
}

async function describe(files: readonly Found[]): Promise<StoredEntry | undefined> {
  let size = 0
  let modified: Date | undefined
  let complete = false
  for (const { path, isPartial } of files) {
    const about = await lstat(path).catch((error: unknown) => {
      // it was deleted, or got its final name, after its directory was read
      if (errorCode(error) !== 'ENOENT') throw error
    })
    if (about === undefined) continue
    size += about.size
    if (modified === undefined || about.mtime > modified) modified = about.mtime
    complete ||= !isPartial
  }
  const [first] = files
  if (first === undefined || modified === undefined) return undefined
  return { key: first.key, size, modified, complete }
}

/** Walks the tree of the store. One directory is held in memory at a time, never the whole store. */
export async function* listFiles(
  layout: Layout,
  signal: AbortSignal | undefined
): AsyncGenerator<StoredEntry> {
  const root = await layout.realRoot()
  for await (const dir of await opendir(root)) {
    signal?.throwIfAborted()
    // links are not followed: what they lead to is not ours
    if (!dir.isDirectory()) continue
    const byKey = new Map<string, Found[]>()
    for await (const file of filesOf(root, dir.name)) {
      byKey.set(file.key, [...(byKey.get(file.key) ?? []), file])
    }
    for (const files of byKey.values()) {
      signal?.throwIfAborted()
      const entry = await describe(files)
      if (entry !== undefined) yield entry
    }
  }
}
