import { lstat, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TankError } from '@tank/model'
import { isImageId, isMissing, orUndefined, PRIVATE, removed } from './files.ts'

/** Images that are wanted in the cache of this node: an empty file for each. */
export class CacheQueue {
  readonly #dir: string
  readonly #prepare: () => Promise<void>

  /** `prepare` makes the folder again when somebody took it away. */
  constructor(dir: string, prepare: () => Promise<void>) {
    this.#dir = dir
    this.#prepare = prepare
  }

  async add(id: string): Promise<void> {
    const path = this.#path(id)
    const write = () => writeFile(path, '', { flag: 'a', mode: PRIVATE })
    await write().catch(async (error: unknown) => {
      if (!isMissing(error)) throw error
      await this.#prepare()
      await write()
    })
  }

  /** False: it was not in the queue. */
  async remove(id: string): Promise<boolean> {
    return isImageId(id) && removed(this.#path(id))
  }

  /** Images that are wanted, the first one first. */
  async ids(): Promise<string[]> {
    const found: { id: string; since: number }[] = []
    for (const id of (await orUndefined(readdir(this.#dir))) ?? []) {
      const file = await orUndefined(lstat(join(this.#dir, id)))
      if (isImageId(id) && file !== undefined) found.push({ id, since: file.mtimeMs })
    }
    return found.sort((a, b) => a.since - b.since).map(({ id }) => id)
  }

  #path(id: string): string {
    if (!isImageId(id)) throw new TankError('INTERNAL', 'this is no id of an image')
    return join(this.#dir, id)
  }
}
