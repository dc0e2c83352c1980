import type { CallOptions, Store, StoredEntry } from '@tank/store'

/** What lies in a store. */
export interface Survey {
  readonly images: number
  /** Bytes of whole images. */
  readonly bytes: number
  /** Keys at which only parts lie. */
  readonly leftovers: number
  readonly leftoverBytes: number
}

type Listing = NonNullable<Store['list']>

/** Counts what a store holds, without keeping its names. */
export async function survey(list: Listing, options: CallOptions = {}): Promise<Survey> {
  const counts = { images: 0, bytes: 0, leftovers: 0, leftoverBytes: 0 }
  for await (const { size, complete } of list(options)) {
    counts[complete ? 'images' : 'leftovers'] += 1
    counts[complete ? 'bytes' : 'leftoverBytes'] += size
  }
  return counts
}

export interface OrphanOptions extends CallOptions {
  /** Only keys that were last written to before this. */
  readonly before: Date
  /** Which of these keys no record names. */
  readonly unknown: (keys: readonly string[]) => Promise<readonly string[]>
}

const BATCH = 500

/**
 * Finds what lies in a store and belongs to no image. A key is asked for only after it was seen, and
 * a record always stands before its first byte, so a running upload is never taken for an orphan.
 * Where the store does not say when a key was written to, the key counts as old.
 */
export async function* findOrphans(
  list: Listing,
  { before, unknown, signal }: OrphanOptions
): AsyncGenerator<StoredEntry> {
  let batch: StoredEntry[] = []
  const sift = async () => {
    const orphans = new Set(await unknown(batch.map(({ key }) => key)))
    const found = batch.filter(({ key }) => orphans.has(key))
    batch = []
    return found
  }
  for await (const entry of list({ signal })) {
    if (entry.modified !== undefined && entry.modified >= before) continue
    batch.push(entry)
    if (batch.length === BATCH) yield* await sift()
  }
  if (batch.length > 0) yield* await sift()
}

interface BelongingOptions extends Pick<OrphanOptions, 'unknown' | 'signal'> {
  /** Whether the registry says that anything lies in this store. */
  readonly hasPlacements: () => Promise<boolean>
}

/**
 * Whether the registry knows anything that lies in the store. When it knows nothing, it is most likely
 * the wrong registry; and an empty store of which it says that images lie there is the wrong store,
 * such as a folder on which nothing is mounted.
 */
export async function isOfRegistry(
  list: Listing,
  { unknown, hasPlacements, signal }: BelongingOptions
): Promise<boolean> {
  let batch: string[] = []
  let seen = 0
  const knowsOne = async () => (await unknown(batch)).length < batch.length
  for await (const { key } of list({ signal })) {
    seen += 1
    batch.push(key)
    if (batch.length < BATCH) continue
    if (await knowsOne()) return true
    batch = []
  }
  if (seen === 0) return !(await hasPlacements())
  return batch.length > 0 && (await knowsOne())
}
