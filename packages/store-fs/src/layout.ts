import { chmod, mkdir, open, realpath, stat } from 'node:fs/promises'
import { dirname, join, parse } from 'node:path'
import { assertKey, StoreError } from '@tank/store'
import { errorCode, notFound } from './errors.ts'
import type { Settings } from './options.ts'

/** Where the bytes of a key are. */
export interface Place {
  /** The directory of the key, directly below the root. */
  readonly dir: string
  readonly final: string
  /** Where a put writes before it publishes; a killed put leaves this and nothing else. */
  readonly temp: string
}

/**
 * The tree below the root: `<root>/<first two characters of the key>/<key>`. One level of
 * directories keeps each of them small (a million random keys give 256 directories of 4,000 files),
 * while all of them are made once and early. A second level would make a new directory, with two
 * more flushes, for nearly every image.
 */
export class Layout {
  readonly #settings: Settings
  // Directories whose entry in the root is on the disk, as far as this process knows.
  readonly #durable = new Set<string>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  place(key: string): Place {
    assertKey(key)
    const dir = join(this.#settings.root, key.slice(0, 2))
    const final = join(dir, key)
    return { dir, final, temp: `${final}.partial` }
  }

  /**
   * Refuses to go on when the directory is not where its name says: no component below the root
   * may be a link. Rejects with NOT_FOUND only when the root itself is there, since an image that
   * cannot be seen is not an image that is gone.
   */
  async enter({ dir }: Place): Promise<void> {
    const root = await this.realRoot()
    const real = await realpath(dir).catch((error: unknown) => {
      throw errorCode(error) === 'ENOENT' ? notFound(error) : error
    })
    if (real !== join(root, dir.slice(this.#settings.root.length))) {
      throw new StoreError('FAILED', 'a directory of the store is a symbolic link')
    }
  }

  /** Makes the directory of a key, and the root, when they are missing. */
  async prepare(place: Place): Promise<void> {
    const { dir } = place
    const made = await this.#make(dir, async () => {
      await this.prepareRoot()
      await this.#make(dir)
    })
    await this.enter(place)
    // Another process may have made it and not have flushed the root yet.
    if (made || !this.#durable.has(dir)) {
      await this.flush(this.#settings.root)
      this.#durable.add(dir)
    }
  }

  async prepareRoot(): Promise<void> {
    const { root } = this.#settings
    const parent = dirname(root)
    const made = await this.#make(root, () => {
      const hint = 'is its file system mounted?'
      throw new StoreError('UNAVAILABLE', `the directory ${parent} is missing: ${hint}`)
    })
    if (made) await this.flush(parent)
    await this.realRoot()
  }

  /** The root's own path without links. The operator may have made the root a link. */
  async realRoot(): Promise<string> {
    const { root, requireMount } = this.#settings
    try {
      const real = await realpath(root)
      if (!requireMount) return real
      const [ours, system] = await Promise.all([stat(real), stat(parse(real).root)])
      if (ours.dev !== system.dev) return real
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      throw new StoreError('UNAVAILABLE', `the root ${root} is missing`, { cause: error })
    }
    throw new StoreError('UNAVAILABLE', `no file system is mounted at the root ${root}`)
  }

  /** Brings the entries of a directory to the disk. */
  async flush(dir: string): Promise<void> {
    if (!this.#settings.fsync) return
    const handle = await open(dir, 'r').catch((error: unknown) => {
      // We may pass through a directory (the parent of the root) that we may not read.
      if (errorCode(error) !== 'EACCES') throw error
    })
    try {
      await handle?.sync()
    } catch (error) {
      // Some file systems have no flush of a directory; there is nothing more to be had there.
      if (!['EINVAL', 'ENOTSUP', 'EISDIR'].includes(errorCode(error) ?? '')) throw error
    } finally {
      await handle?.close()
    }
  }

  async #make(dir: string, orphaned?: () => Promise<void>): Promise<boolean> {
    const { dirMode } = this.#settings
    try {
      await mkdir(dir, { mode: dirMode })
      await chmod(dir, dirMode)
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      if (errorCode(error) !== 'ENOENT' || orphaned === undefined) throw error
    }
    await orphaned()
    return true
  }
}
