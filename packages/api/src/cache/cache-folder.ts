import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import {
  chmod,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  writeFile
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { TankError } from '@tank/model'
import { CacheQueue } from './cache-queue.ts'
import { isImageId, orUndefined, PRIVATE, removed } from './files.ts'

/** What a cached image is known by: its id and the digest of its bytes. */
export interface CacheKey {
  readonly id: string
  /** lower-case hexadecimal */
  readonly sha256: string
}

/** A complete and verified image in the cache. */
export interface CachedFile extends CacheKey {
  /** bytes */
  readonly size: number
  readonly modified: Date
  /** How often it was read from the cache. */
  readonly hits: number
  /** The last such time. */
  readonly accessed: Date | undefined
}

/** A file that one process fills. It has a name of its own, so that two writers never meet. */
export interface Part {
  readonly path: string
  readonly handle: FileHandle
  readonly inode: number
}

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const NAME = /^([0-9a-f-]{36})\.([0-9a-f]{64})$/i
const PART = /^[0-9a-f-]{36}\.(\d{1,16})$/

/** Its writer shows every second that it lives; one that was silent for so long does not. */
const STALE_MS = 10_000

const FOLDERS = ['images', 'parts', 'filling', 'hits', 'queue'] as const
type Folder = (typeof FOLDERS)[number]

/** Whether nobody has written to it for so long that its writer must be gone. */
export function isStale({ mtimeMs }: Stats): boolean {
  return Date.now() - mtimeMs > STALE_MS
}

/**
 * The files of the cache. All processes of a node share them and nothing else, so that what the
 * files say is all there is to agree on:
 *
 * - `parts/<random>.<size>`: bytes on their way, with the room that they will need
 * - `filling/<image>.<digest>`: a second name of such a part while its writer works; whoever made the
 *   name fills that image, and the others read what it has so far
 * - `images/<image>.<digest>`: complete, the digest compared, on the disk
 * - `hits/<image>`: a byte for each time that it was read
 * - `queue/<image>`: wanted in the cache
 */
export class CacheFolder {
  readonly queue: CacheQueue
  readonly #root: string

  constructor(root: string) {
    this.#root = resolve(root)
    this.queue = new CacheQueue(join(this.#root, 'queue'), () => this.prepare())
  }

  /** Makes what is missing. A folder that is a link, or that others may enter, is not used as it is. */
  async prepare(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    for (const folder of FOLDERS) {
      const path = join(this.#root, folder)
      await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
      if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is not a folder`)
      await chmod(path, 0o700)
    }
  }

  /** Removes what is half there when the machine was started anew: it may not be what was written. */
  async dropOtherBoot(): Promise<void> {
    const now = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
    const path = join(this.#root, 'boot')
    if ((await orUndefined(readFile(path, 'utf8'))) === now) return
    for (const folder of ['filling', 'parts'] as const) {
      for (const name of await this.#names(folder)) await removed(join(this.#root, folder, name))
    }
    await writeFile(path, now, { mode: PRIVATE })
  }

  /** Opens a complete image. What cannot be one is removed. */
  async openImage(key: CacheKey, size: number): Promise<FileHandle | undefined> {
    const path = this.#named('images', key)
    const handle = await orUndefined(open(path, READ)).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error
      await removed(path)
    })
    if (handle === undefined) return undefined
    try {
      const file = await handle.stat()
      if (file.isFile() && file.size === size && (await this.#isOurs(key, handle, file))) {
        return handle
      }
    } catch (error) {
      await handle.close()
      throw error
    }
    await handle.close()
    await removed(path)
    return undefined
  }

  /** A second name that is not ours means that somebody else can change the bytes (S-26). */
  async #isOurs(key: CacheKey, handle: FileHandle, { nlink, ino }: Stats): Promise<boolean> {
    if (nlink === 1) return true
    if (nlink === 2 && (await this.inodeFilling(key)) === ino) return true
    // that name may just have been taken away
    return (await handle.stat()).nlink === 1
  }

  async inodeOf(key: CacheKey): Promise<number | undefined> {
    return (await orUndefined(lstat(this.#named('images', key))))?.ino
  }

  async inodeFilling(key: CacheKey): Promise<number | undefined> {
    return (await orUndefined(lstat(this.#named('filling', key))))?.ino
  }

  /** Opens what some process of this node fills at the moment. */
  async openFilling(key: CacheKey): Promise<FileHandle | undefined> {
    return orUndefined(open(this.#named('filling', key), READ))
  }

  /** Takes the name away from a writer that is gone. */
  async dropFilling(key: CacheKey): Promise<void> {
    await removed(this.#named('filling', key))
  }

  async createPart(size: number): Promise<Part> {
    const path = join(this.#root, 'parts', `${randomUUID()}.${size}`)
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
    const handle = await orUndefined(open(path, flags, PRIVATE))
    if (handle !== undefined) return { path, handle, inode: (await handle.stat()).ino }
    await this.prepare()
    const again = await open(path, flags, PRIVATE)
    return { path, handle: again, inode: (await again.stat()).ino }
  }

  /** Makes this part the one that the image is filled into; false: another one is. */
  async claim(part: Part, key: CacheKey): Promise<boolean> {
    try {
      await link(part.path, this.#named('filling', key))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  /**
   * Gives a verified part the name of the image; false: the image was removed in the meantime.
   * In this order: `remove` takes the name below `filling` away before it looks for the image.
   */
  async publish(part: Part, key: CacheKey): Promise<boolean> {
    const path = this.#named('images', key)
    await rename(part.path, path)
    if ((await this.inodeFilling(key)) !== part.inode) {
      await removed(path)
      return false
    }
    await this.dropFilling(key)
    return true
  }

  /** Leaves nothing of a part. */
  async discard(part: Part, key: CacheKey): Promise<void> {
    if ((await this.inodeFilling(key)) === part.inode) await this.dropFilling(key)
    await removed(part.path)
  }

  async countHit(id: string): Promise<void> {
    await writeFile(this.#hits(id), '.', { flag: 'a', mode: PRIVATE })
  }

  async images(): Promise<CachedFile[]> {
    const found: CachedFile[] = []
    for (const name of await this.#names('images')) {
      const key = keyOf(name)
      const file = await orUndefined(lstat(join(this.#root, 'images', name)))
      if (key === undefined || file === undefined) continue
      const hits = await orUndefined(lstat(this.#hits(key.id)))
      found.push({
        ...key,
        size: file.size,
        modified: file.mtime,
        hits: hits?.size ?? 0,
        accessed: hits?.mtime
      })
    }
    return found
  }

  /** Bytes that are kept free for what is on its way. Parts of writers that are gone are removed. */
  async reserved(): Promise<number> {
    let bytes = 0
    for (const name of await this.#names('parts')) {
      const path = join(this.#root, 'parts', name)
      const part = await orUndefined(lstat(path))
      if (part === undefined) continue
      if (isStale(part)) await removed(path)
      else bytes += Number(PART.exec(name)?.[1] ?? part.size)
    }
    return bytes
  }

  /** Removes what writers that are gone left behind, and what is no image of ours. */
  async sweep(): Promise<void> {
    await this.reserved()
    for (const name of await this.#names('filling')) {
      const path = join(this.#root, 'filling', name)
      const file = await orUndefined(lstat(path))
      if (file !== undefined && isStale(file)) await removed(path)
    }
    const ids = new Set<string>()
    for (const name of await this.#names('images')) {
      const key = keyOf(name)
      const path = join(this.#root, 'images', name)
      const file = await orUndefined(lstat(path))
      if (key !== undefined && file?.isFile()) ids.add(key.id)
      else if (file !== undefined && !file.isDirectory()) await removed(path)
    }
    for (const name of await this.#names('hits')) {
      if (!ids.has(name)) await removed(join(this.#root, 'hits', name))
    }
  }

  /** Removes an image, also one that is just being filled; false: there was none. */
  async remove(id: string): Promise<boolean> {
    let any = false
    for (const folder of ['filling', 'images'] as const) {
      for (const name of await this.#names(folder)) {
        if (keyOf(name)?.id !== id) continue
        any = (await removed(join(this.#root, folder, name))) || any
      }
    }
    if (isImageId(id)) await removed(this.#hits(id))
    return any
  }

  /** Whether nobody of this node has done it for so long; if so, it counts as done from now on. */
  async isDue(ms: number): Promise<boolean> {
    const path = join(this.#root, 'checked')
    const last = await orUndefined(lstat(path))
    if (last !== undefined && Date.now() - last.mtimeMs < ms) return false
    await writeFile(path, '.', { mode: PRIVATE })
    return true
  }

  async #names(folder: Folder): Promise<string[]> {
    return (await orUndefined(readdir(join(this.#root, folder)))) ?? []
  }

  #named(folder: 'images' | 'filling', key: CacheKey): string {
    const name = `${key.id}.${key.sha256}`
    if (!NAME.test(name)) throw new TankError('INTERNAL', 'this is no name of a cached image')
    return join(this.#root, folder, name)
  }

  #hits(id: string): string {
    if (!isImageId(id)) throw new TankError('INTERNAL', 'this is no id of an image')
    return join(this.#root, 'hits', id)
  }
}

function keyOf(name: string): CacheKey | undefined {
  const [, id, sha256] = NAME.exec(name) ?? []
  return id === undefined || sha256 === undefined ? undefined : { id, sha256 }
}
